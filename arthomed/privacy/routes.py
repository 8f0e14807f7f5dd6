"""One's own data, and the audit trail, over HTTP."""

from typing import Any

from flask import Response

from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_sign_in
from arthomed.http.schema import PageQuery, page_of
from arthomed.privacy.schemas import (
    AccessOut,
    AuditEventOut,
    AuditQuery,
    EraseAccount,
    ErasureOut,
    ExportOut,
    PreparingOut,
)
from arthomed.privacy.service import erasure, export, trail

blueprint = Blueprint("privacy", __name__, url_prefix="/api", description="One's own data, and who looked at it.")

_FILE = {"Content-Disposition": 'attachment; filename="arthomed-export.json"'}


@blueprint.get("/users/profile/access-log")
@requires(Permission.PROFILE)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AccessOut), description="Access log retrieved successfully")
def access_log(query: dict[str, Any]) -> Page[trail.Access]:
    """List who read or changed one's own records, the newest first."""
    return trail.about(own_id(), query["paging"])


@blueprint.get("/users/profile/export")
@requires(Permission.PROFILE)
@blueprint.response(202, PreparingOut, description="The export is being prepared, please ask again")
@blueprint.alt_response(200, schema=ExportOut, description="The export, a file without an envelope", success=True)
def export_own_data() -> Response | dict[str, Any]:
    """Fetch everything that is stored about oneself."""
    content = export.export(current_actor(), own_id())
    if content is None:
        return {}
    return Response(content, mimetype="application/json", headers=_FILE)


@blueprint.post("/users/profile/erasure")
@requires(Permission.ACCOUNT_ERASE)
@limit_sign_in
@blueprint.arguments(EraseAccount)
@blueprint.response(200, ErasureOut, description="Your account was erased")
@blueprint.alt_response(423, "LOCKED")
def erase(body: dict[str, Any]) -> erasure.Erasure:
    """Close one's own account; what need not be kept is erased."""
    return erasure.erase(current_actor(), own_id(), body["otp"])


@blueprint.get("/admin/audit")
@requires(Permission.AUDIT_READ)
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, page_of(AuditEventOut), description="Audit trail retrieved successfully")
def read_trail(query: dict[str, Any]) -> Page[trail.Access]:
    """List who read or changed whose records, the newest first."""
    return trail.read(current_actor(), query.pop("paging"), **query)
