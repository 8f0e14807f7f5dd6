"""Routes of messages about appointments: one's own, and for the desk those of an appointment."""

from typing import Any

from bson import ObjectId

from arthomed.appointments.message_schemas import AppointmentMessagesOut, NotificationOut
from arthomed.appointments.service import own_messages, sent_messages
from arthomed.appointments.service.own_messages import OwnMessage
from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.schema import PageQuery, page_of
from arthomed.notifications.models import Notification
from arthomed.notifications.schemas import OutboxMessageOut

blueprint = Blueprint(
    "notifications", __name__, url_prefix="/api", description="One's own messages, and those about an appointment."
)


@blueprint.get("/notifications")
@requires(Permission.NOTIFICATIONS)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(NotificationOut), description="Notifications retrieved successfully")
def list_own(query: dict[str, Any]) -> Page[OwnMessage]:
    """List one's own messages about appointments, the newest first.

    One-time codes are not in the list. Messages are kept for a year.
    """
    return own_messages.list_own(current_actor(), query["paging"])


@blueprint.put("/notifications/<object_id:message_id>/read")
@requires(Permission.NOTIFICATIONS)
@blueprint.response(200, NotificationOut, name="notification", description="Notification marked as read")
def mark_as_read(message_id: ObjectId) -> OwnMessage:
    """Mark one of one's own messages as read; `readAt` stays the time of the first request."""
    return own_messages.mark_as_read(current_actor(), message_id)


@blueprint.delete("/notifications/<object_id:message_id>")
@requires(Permission.NOTIFICATIONS)
@blueprint.response(200, description="Notification deleted successfully")
def hide(message_id: ObjectId) -> None:
    """Remove a message from one's own list. One that is still waiting is sent nevertheless."""
    own_messages.hide(current_actor(), message_id)


@blueprint.get("/appointments/<object_id:appointment_id>/messages")
@requires(Permission.APPOINTMENT_MESSAGES)
@blueprint.response(200, AppointmentMessagesOut, description="Messages retrieved successfully")
def list_of_appointment(appointment_id: ObjectId) -> dict[str, Any]:
    """List the messages about an appointment, the newest first: state and receipt on each channel."""
    return {"messages": sent_messages.list_of_appointment(current_actor(), appointment_id)}


@blueprint.post("/messages/<object_id:message_id>/resend")
@requires(Permission.APPOINTMENT_MESSAGES)
@blueprint.response(200, OutboxMessageOut, name="message", description="The message is being sent again")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION)
def resend(message_id: ObjectId) -> Notification:
    """Send a failed message about an appointment again, unless it has expired or the appointment has changed since."""
    return sent_messages.resend(current_actor(), message_id)
