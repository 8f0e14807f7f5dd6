"""Routes of the desk: the reception books for patients."""

from typing import Any

from arthomed.appointments import examples
from arthomed.appointments.desk_schemas import BookAtDesk, BookedAtDeskOut
from arthomed.appointments.schemas import IdempotencyHeaders
from arthomed.appointments.service import desk
from arthomed.appointments.service.desk import DeskBooked, DeskBooking
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import limit_bookings

blueprint = Blueprint("desk", __name__, url_prefix="/api/appointments", description="The reception's day.")


@blueprint.post("/manual")
@limit_bookings
@requires(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(BookAtDesk)
@blueprint.response(
    201, BookedAtDeskOut, description="Appointment booked successfully", example=examples.WALK_IN_BOOKED
)
@blueprint.refuses(Code.NOT_FOUND, Code.SLOT_UNAVAILABLE, Code.DUPLICATE_VALUE, Code.IDEMPOTENCY_KEY_REUSED)
def book_at_desk(headers: dict[str, Any], body: DeskBooking) -> DeskBooked:
    """Book a confirmed appointment for a patient.

    The patient is a `patientId`, or a `mobileNumber` and a `name`: an unknown number becomes a patient, a known one
    keeps its name. With `isWalkIn` and without a time it is the next free slot of today, which may have begun; on a
    full day it is an overflow place after the doctor's last slot. One who walks in has arrived: `queue.token` is the
    number to wait with.
    """
    return desk.book(current_actor(), body, key=headers.get("key"))
