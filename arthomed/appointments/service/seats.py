"""The seats that appointments hold."""

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.scheduling.models import Slot


def free(slot: ObjectId, seat: int, session: ClientSession) -> None:
    """Free a seat, and name the appointment that holds the slot when one is left."""
    still_taken = Slot.free(slot, seat, session=session)
    if len(still_taken) == 1:
        Slot.hold(slot, Appointment.holder(slot, session), session=session)
