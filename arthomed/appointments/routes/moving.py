"""The route that moves an appointment to another time or doctor."""

from typing import Any

from bson import ObjectId

from arthomed.appointments import examples
from arthomed.appointments.models import Appointment
from arthomed.appointments.moving_schemas import RescheduleAppointment
from arthomed.appointments.schemas import AppointmentOut, IdempotencyHeaders
from arthomed.appointments.service import rescheduling
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_bookings

blueprint = Blueprint("moving", __name__, url_prefix="/api/appointments", description="Moving appointments.")


@blueprint.put("/<object_id:appointment_id>/reschedule")
@limit_bookings
@requires(Permission.APPOINTMENT_RESCHEDULE)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(RescheduleAppointment)
@blueprint.response(
    200,
    AppointmentOut,
    name="appointment",
    description="Appointment rescheduled successfully",
    example=examples.RESCHEDULED,
)
@blueprint.refuses(Code.NOT_FOUND, Code.SLOT_UNAVAILABLE, Code.DUPLICATE_VALUE, Code.IDEMPOTENCY_KEY_REUSED)
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION, Code.TOO_LATE)
def reschedule(headers: dict[str, Any], body: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Move an appointment to another time, or to another doctor of the same specialization.

    It keeps its id, its status and its payments; `paymentInfo.amount` becomes the fee of the new slot. Patients move
    theirs until two hours before its time, staff until its start; nobody after the patient's arrival. The present time
    changes nothing. Refunds count from the earliest start that the appointment ever had.
    """
    new_time = rescheduling.NewTime(**body)
    return rescheduling.reschedule(current_actor(), appointment_id, new_time, key=headers.get("key"))
