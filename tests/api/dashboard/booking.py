"""The form of a new appointment, as its tests send and read it."""

import re
from datetime import date

from arthomed.users.models import User
from tests import factories

NEW = "/dashboard/appointments/new"
ALL_DAY = factories.every_day("00:00", "24:00")
NUMBER = "9876543210"


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return found[1]


def choices(page: str) -> list[str]:
    return re.findall(r'name="when" value="([^"]*)"', page)


def checked(page: str) -> str:
    found = re.search(r'name="when" value="([^"]*)" id="when-chosen" checked', page)
    assert found, page
    return found[1]


def at(doctor: User, day: date, time: str) -> str:
    return f"{doctor.id}/{day}/{time}"


def form(patient: User, when: str, **more: str) -> dict[str, str]:
    known = {"mobileNumber": patient.mobile_number, "patientId": str(patient.id)}
    return {"key": "a-key-of-the-form", **known, "person": "self", "when": when, **more}
