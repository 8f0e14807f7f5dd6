"""Doctors with appointments of today at each stage."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from playwright.sync_api import Locator, Page

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.config import settings
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import queue
from arthomed.scheduling.tags import day_tag
from arthomed.users.models import User
from tests import factories

_QUARTER = 15
ADMIN = Actor(factories.UNKNOWN_ID, Role.ADMIN)
_STEPS: dict[str, Any] = {
    "confirm": lambda one: transitions.change_status(ADMIN, one, Status.CONFIRMED),
    "arrive": lambda one: queue.arrive(ADMIN, one, {}),
    "call": lambda one: queue.call(ADMIN, one),
    "skip": lambda one: queue.skip(ADMIN, one),
    "start": lambda one: transitions.change_status(ADMIN, one, Status.IN_PROGRESS),
    "done": lambda one: transitions.change_status(ADMIN, one, Status.COMPLETED),
    "no-show": lambda one: transitions.change_status(ADMIN, one, Status.NO_SHOW),
    "cancel": lambda one: transitions.cancel(ADMIN, one, reason=None),
}


@dataclass(frozen=True)
class Doctor:
    """A doctor with appointments of today."""

    user: User

    def add(
        self, name: str, *steps: str, minutes: int = 0, quarter: int | None = None, day: int = 0, **parts: Any
    ) -> Appointment:
        """Book an appointment for now, or some minutes later, and take steps with it.

        It is a minute after the last one, or with `quarter` at the beginning of a quarter of an hour; 0 is the present
        one. `day` is the distance from today.
        """
        details = {name: parts.pop(name) for name in ("dependent_id", "reason") if name in parts}
        patient = parts.pop("patient", None) or factories.make_user(name=name, **parts)
        taken = Appointment.objects(doctor_id=self.user.id).count()
        booked = factories.make_appointment(patient, self.user, time="09:00", **details)
        starts_at, zone = clock.now() + timedelta(days=day, minutes=minutes + taken), settings().policy.timezone
        if quarter is not None:
            now = clock.now()
            starts_at = now + timedelta(days=day, minutes=_QUARTER * quarter - now.minute % _QUARTER)
        local, today = starts_at.astimezone(zone), clock.today(zone) + timedelta(days=day)
        Appointment.objects(id=booked.id).update(
            set__starts_at=starts_at.replace(second=0, microsecond=0),
            set__ends_at=starts_at + timedelta(minutes=30),
            set__appointment_date=clock.midnight_utc(today),
            set__appointment_time=f"{local:%H:%M}",
        )
        tag = day_tag(self.user.id, clock.midnight_utc(today))
        transaction(lambda _: cache.invalidate(tag))  # as a booking of that day does
        for step in steps:
            _STEPS[step](booked.id)
        found: Appointment = Appointment.objects.get(id=booked.id)
        return found


def make_doctor(name: str = "Dr Meera Iyer", hours: tuple[str, str] = ("09:00", "09:30"), **parts: Any) -> Doctor:
    return Doctor(factories.make_doctor(factories.every_day(*hours, max_patients=20), name=name, **parts))


def row(page: Page, appointment: Appointment) -> Locator:
    return page.locator(f'tr[data-appointment="{appointment.id}"]')


def take(step: str, appointment: Appointment) -> None:
    """Take a step somewhere else than on the screen."""
    _STEPS[step](appointment.id)
