"""Endpoints for the carrier's delivery receipts, and for admins to list and resend messages."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from bson import ObjectId
from flask import g, request
from werkzeug.exceptions import HTTPException

from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, public, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.forms import URLENCODED
from arthomed.http.limits import limit_unless
from arthomed.http.schema import page_of
from arthomed.notifications import receipts, service
from arthomed.notifications.gateways import Attempt
from arthomed.notifications.models import Notification
from arthomed.notifications.schemas import MessagesQuery, OutboxMessageOut, ReceiptQuery, TwilioReceipt

blueprint = Blueprint("messages", __name__, url_prefix="/api", description="Outgoing messages and their delivery.")

_MAX_RECEIPT_BYTES = 64 * 1024  # read before the rate limit, which a signed request does not have

View = TypeVar("View", bound=Callable[..., Any])


def _is_signed() -> bool:
    """Whether Twilio signed this request; checked once per request, for the rate limit and for the view."""
    if "is_signed" not in g:
        is_receipt = (
            request.mimetype == URLENCODED and (request.content_length or _MAX_RECEIPT_BYTES + 1) <= _MAX_RECEIPT_BYTES
        )
        g.is_signed = is_receipt and _has_valid_signature()
    is_signed: bool = g.is_signed
    return is_signed


def _has_valid_signature() -> bool:
    path = f"{request.path}?{request.query_string.decode('ascii', 'replace')}"
    try:
        return receipts.has_valid_signature(path, request.form, request.headers.get("X-Twilio-Signature", ""))
    except (HTTPException, ClinicError):  # raised by request.form when the body is malformed
        return False


def _requires_signature(view: View) -> View:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not _is_signed():
            raise PermissionDenied
        return view(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


@blueprint.post("/webhooks/twilio/status")
@limit_unless(_is_signed)
@public
@_requires_signature
@blueprint.arguments(ReceiptQuery, location="query")
@blueprint.arguments(TwilioReceipt, location="form")
@blueprint.response(200, description="Receipt recorded")
@blueprint.refuses(Code.PERMISSION_DENIED)
def record_receipt(query: dict[str, Any], form: dict[str, Any]) -> None:
    """Record a delivery receipt that Twilio signed (`X-Twilio-Signature`)."""
    attempt = Attempt(str(query["message"]), query["attempt"])
    receipts.record(attempt, sid=form["message_sid"], status=form["message_status"], error_code=form["error_code"])


@blueprint.get("/admin/messages")
@requires(Permission.MESSAGES_MANAGE)
@blueprint.arguments(MessagesQuery, location="query")
@blueprint.response(200, page_of(OutboxMessageOut), description="Messages retrieved successfully")
def list_messages(query: dict[str, Any]) -> Page[Notification]:
    """List messages by state (`failed` by default), the newest first."""
    return service.list_messages(current_actor(), query.pop("paging"), **query)


@blueprint.post("/admin/messages/<object_id:message_id>/resend")
@requires(Permission.MESSAGES_MANAGE)
@blueprint.response(200, OutboxMessageOut, name="message", description="The message is being sent again")
def resend(message_id: ObjectId) -> Notification:
    """Send a failed message again, unless it has expired."""
    return service.resend(current_actor(), message_id)
