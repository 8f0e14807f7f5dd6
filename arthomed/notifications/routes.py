"""Receipts of the carrier, and messages as admins see them, over HTTP."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from bson import ObjectId
from flask import g, request
from werkzeug.exceptions import HTTPException

from arthomed.core.errors import PermissionDenied
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, public, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_unless
from arthomed.http.schema import page_of
from arthomed.notifications import administration, receipts
from arthomed.notifications.gateways import Attempt
from arthomed.notifications.models import Notification
from arthomed.notifications.schemas import MessagesQuery, OutboxMessageOut, ReceiptQuery, TwilioReceipt

blueprint = Blueprint("messages", __name__, url_prefix="/api", description="Messages and what became of them.")

_FORM = "application/x-www-form-urlencoded"

View = TypeVar("View", bound=Callable[..., Any])


def _is_signed() -> bool:
    """Whether Twilio signed this request, as far as that can be told."""
    if "is_signed" not in g:
        g.is_signed = request.mimetype == _FORM and _has_good_signature()
    is_signed: bool = g.is_signed
    return is_signed


def _has_good_signature() -> bool:
    path = f"{request.path}?{request.query_string.decode('ascii', 'replace')}"
    try:
        return receipts.is_genuine(path, request.form, request.headers.get("X-Twilio-Signature", ""))
    except HTTPException:  # a body that can't be read
        return False


def _signed(view: View) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not _is_signed():
            raise PermissionDenied
        return view(*args, **kwargs)

    return guarded  # type: ignore[return-value]


@blueprint.post("/webhooks/twilio/status")
@public
@limit_unless(_is_signed)
@_signed
@blueprint.arguments(ReceiptQuery, location="query")
@blueprint.arguments(TwilioReceipt, location="form")
@blueprint.response(200, description="Receipt noted")
@blueprint.alt_response(403, "FORBIDDEN")
def note_receipt(query: dict[str, Any], form: dict[str, Any]) -> None:
    """Take a delivery receipt that Twilio signed (`X-Twilio-Signature`)."""
    attempt = Attempt(str(query["message"]), query["attempt"])
    receipts.note(attempt, sid=form["message_sid"], status=form["message_status"], error_code=form["error_code"])


@blueprint.get("/admin/messages")
@requires(Permission.MESSAGES_MANAGE)
@blueprint.arguments(MessagesQuery, location="query")
@blueprint.response(200, page_of(OutboxMessageOut), description="Messages retrieved successfully")
def messages(query: dict[str, Any]) -> Page[Notification]:
    """List messages of a state (`failed` unless another is asked for), the newest first."""
    return administration.messages(current_actor(), query.pop("paging"), **query)


@blueprint.post("/admin/messages/<object_id:message_id>/resend")
@requires(Permission.MESSAGES_MANAGE)
@blueprint.response(200, OutboxMessageOut, name="message", description="The message is being sent again")
@blueprint.alt_response(400, "BAD_REQUEST")
def resend(message_id: ObjectId) -> Notification:
    """Send a message again that failed and is still of use."""
    return administration.resend(current_actor(), message_id)
