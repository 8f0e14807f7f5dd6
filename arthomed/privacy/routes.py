"""Routes for export and erasure of one's own data, and for the audit trail."""

from typing import Any

from flask import Response

from arthomed.core.downloads import content_disposition
from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_sign_in, subscriber
from arthomed.http.refusals import OF_GUESSES
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

blueprint = Blueprint(
    "privacy", __name__, url_prefix="/api", description="Export and erasure of one's own data, and the audit trail."
)

_DOWNLOAD = {"Content-Disposition": content_disposition("arthomed-export.json")}


@blueprint.get("/users/profile/access-log")
@requires(Permission.PROFILE)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AccessOut), description="Access log retrieved successfully")
def access_log(query: dict[str, Any]) -> Page[trail.Access]:
    """List who read or changed one's own records, newest first."""
    return trail.access_log(own_id(), query["paging"])


@blueprint.get("/users/profile/export")
@requires(Permission.PROFILE)
@blueprint.response(202, PreparingOut, description="The export is being prepared, please try again shortly")
@blueprint.alt_response(200, schema=ExportOut, description="The export, as a file without an envelope", success=True)
def export_own_data() -> Response | dict[str, Any]:
    """Download everything that is stored about oneself."""
    content = export.export(current_actor(), own_id())
    if content is None:
        return {}
    return Response(content, mimetype="application/json", headers=_DOWNLOAD)


@blueprint.post("/users/profile/erasure")
@limit_sign_in
@requires(Permission.ACCOUNT_ERASE)
@blueprint.arguments(EraseAccount)
@blueprint.response(200, ErasureOut, description="Your account was erased")
@blueprint.refuses(*OF_GUESSES, Code.TOO_LATE)
def erase(body: dict[str, Any]) -> erasure.Erasure:
    """Close one's own account and erase what the clinic need not retain by law."""
    return erasure.erase(current_actor(), own_id(), body["otp"], address=subscriber())


@blueprint.get("/admin/audit")
@requires(Permission.AUDIT_READ)
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, page_of(AuditEventOut), description="Audit trail retrieved successfully")
def read_trail(query: dict[str, Any]) -> Page[trail.Access]:
    """List who read or changed which records, newest first."""
    return trail.read(current_actor(), query.pop("paging"), **query)
