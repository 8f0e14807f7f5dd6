"""Steps in the queue of the day."""

from typing import Any

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.frontdesk.schemas.queue import ArriveAtDesk, QueuedAppointmentOut
from arthomed.frontdesk.service import queue
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint

blueprint = Blueprint("queue", __name__, url_prefix="/api/appointments", description="The queue of the day.")


@blueprint.put("/<object_id:appointment_id>/arrive")
@requires(Permission.QUEUE)
@blueprint.arguments(ArriveAtDesk, required=False)
@blueprint.response(200, QueuedAppointmentOut, name="appointment", description="Patient arrived")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION)
def arrive(body: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Give a patient who arrives a token.

    On the day of a confirmed appointment. `priority` (with a `priorityReason`) lets the patient go before others. For a
    patient who has arrived, this changes the priority only.
    """
    return queue.arrive(current_actor(), appointment_id, body)


@blueprint.put("/<object_id:appointment_id>/call")
@requires(Permission.QUEUE)
@blueprint.response(200, QueuedAppointmentOut, name="appointment", description="Patient called")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION)
def call(appointment_id: ObjectId) -> Appointment:
    """Call a waiting patient; a doctor has at most one called patient."""
    return queue.call(current_actor(), appointment_id)


@blueprint.put("/<object_id:appointment_id>/skip")
@requires(Permission.QUEUE)
@blueprint.response(200, QueuedAppointmentOut, name="appointment", description="Patient skipped")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION)
def skip(appointment_id: ObjectId) -> Appointment:
    """Let the next two go before a called or waiting patient who is not there."""
    return queue.skip(current_actor(), appointment_id)


@blueprint.put("/<object_id:appointment_id>/recall")
@requires(Permission.QUEUE)
@blueprint.response(200, QueuedAppointmentOut, name="appointment", description="Patient recalled")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION)
def recall(appointment_id: ObjectId) -> Appointment:
    """Let a skipped patient who is back wait again, at the place after the skip."""
    return queue.recall(current_actor(), appointment_id)


@blueprint.put("/<object_id:appointment_id>/undo")
@requires(Permission.QUEUE)
@blueprint.response(200, QueuedAppointmentOut, name="appointment", description="Step undone")
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION, Code.SLOT_UNAVAILABLE, Code.DUPLICATE_VALUE)
def undo(appointment_id: ObjectId) -> Appointment:
    """Undo the last step, for ten minutes: arrival, call, skip, or the start of the consultation.

    The doctor and admins undo a start, while no notes or prescription are written. It also undoes a no-show, for 24
    hours. A completed consultation cannot be undone.
    """
    return queue.undo(current_actor(), appointment_id)
