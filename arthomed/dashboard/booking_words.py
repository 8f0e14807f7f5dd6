"""What the templates of a new appointment call."""

from typing import Any

from arthomed.appointments.service.offers import specialization_of
from arthomed.dashboard import people, times
from arthomed.dashboard.booking_schemas import NEW_MEMBER, SELF
from arthomed.dashboard.day_texts import GENDERS, STAGES


def words() -> dict[str, Any]:
    return {
        "SELF": SELF,
        "NEW_MEMBER": NEW_MEMBER,
        "SPECIALIZATION": times.SPECIALIZATION,
        "facts": people.facts,
        "genders": GENDERS,
        "specialization_of": specialization_of,
        "stages": STAGES,
        "today": times.today,
    }
