"""The free slots that a refusal names."""

from datetime import datetime

from bson import ObjectId

from arthomed.core import clock
from arthomed.scheduling.models import Slot

ALTERNATIVES = 3


def nearest(doctor_id: ObjectId, requested: datetime) -> list[dict[str, str]]:
    """A doctor's free slots nearest to an instant, the closest first."""
    return [
        {
            "doctorId": str(slot.doctor),
            "appointmentDate": f"{slot.date:%Y-%m-%d}",
            "appointmentTime": slot.start_time,
        }
        for slot in Slot.nearest_free(doctor_id, requested, now=clock.now(), limit=ALTERNATIVES)
    ]
