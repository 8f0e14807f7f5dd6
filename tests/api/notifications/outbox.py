"""Appointments, their messages in the outbox, how they are delivered, and the texts that were sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.infra.mailbox import Mailbox
from arthomed.notifications import delivery
from arthomed.notifications.models import Notification
from tests import factories

TUESDAY = date(2026, 12, 1)
OPENING_HOURS = factories.every_day("09:00", "09:30")


@contextmanager
def delivery_configured(**changes: Any) -> Iterator[None]:
    """Deliver messages with other gateways or times."""
    before = delivery.config()
    delivery.configure(replace(before, **changes))
    try:
        yield
    finally:
        delivery.configure(before)


def make_appointment(email: str | None = None, *, day: date | None = None, **patient: Any) -> Appointment:
    """A requested appointment with Dr Meera Iyer, by default tomorrow at nine."""
    booked_by = factories.make_user(**{"name": "Asha Verma", "email": email, **patient})
    return factories.make_appointment(booked_by, factories.make_doctor(OPENING_HOURS, name="Dr Meera Iyer"), day=day)


def make_rejected(email: str | None = None, *, reason: str = "As agreed", **more: Any) -> Appointment:
    """A rejected appointment, with a waiting SMS about that alone; an e-mail would be its fallback."""
    appointment = make_appointment(email, **more)
    Notification.objects(subject=appointment.id).delete()
    return change_status(appointment, Status.REJECTED, reason=reason)


def make_message(**more: Any) -> Notification:
    """The waiting SMS about a confirmed appointment."""
    appointment = make_appointment(**more)
    Notification.objects(subject=appointment.id).delete()
    return only_message(subject=change_status(appointment, Status.CONFIRMED).id)


def change_status(appointment: Appointment, *statuses: Status, reason: str | None = "As agreed") -> Appointment:
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    for status in statuses:
        appointment = transitions.change_status(admin, appointment.id, status, reason=reason)
    return appointment


def outbox(**filters: Any) -> list[Notification]:
    return list(Notification.objects(**filters).order_by("id"))


def only_message(**filters: Any) -> Notification:
    [found] = outbox(**filters)
    return found


def stored(message: Notification) -> Notification:
    """The message as it is in the database."""
    [found] = outbox(id=message.id)
    return found


def sent_texts() -> list[str]:
    """The texts of all sent messages, the oldest first."""
    return [one.text for one in Mailbox(settings().mailbox_file).newest_first()][::-1]
