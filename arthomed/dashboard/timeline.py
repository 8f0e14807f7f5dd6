"""The history of an appointment in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change, DoctorAndTime
from arthomed.dashboard.appointment_texts import step
from arthomed.dashboard.i18n import day_and_time
from arthomed.users.models import User

People = Mapping[ObjectId, User]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened; `by` is empty when the system did it, or when it is not known."""

    at: datetime
    text: str
    by: str | None = None
    reason: str | None = None
    is_automatic: bool = False


def events_of(appointment: Appointment, people: People) -> list[Event]:
    """What happened with an appointment, the first event first: changes, and steps in the queue of its day."""
    changes = [_of_change(one, people) for one in appointment.history]
    return sorted([*changes, *_of_queue(appointment)], key=lambda event: event.at)


def _of_change(change: Change, people: People) -> Event:
    text = str(step(change.source, change.target))
    if change.moved_from and change.moved_to:
        places = {"before": _place(change.moved_from, people), "after": _place(change.moved_to, people)}
        text = str(gettext("Moved from %(before)s to %(after)s", **places))
    return Event(change.at, text, _name(people, change.by), change.reason, is_automatic=change.by is None)


def _of_queue(appointment: Appointment) -> list[Event]:
    queue, found = appointment.queue, []
    if queue is not None and queue.arrived_at:
        found.append(Event(queue.arrived_at, str(gettext("Arrived, token %(number)s", number=queue.token))))
    if queue is not None and queue.called_at:
        found.append(Event(queue.called_at, str(gettext("Called"))))
    return found


def _place(place: DoctorAndTime, people: People) -> str:
    return f"{_name(people, place.doctor) or '?'}, {day_and_time(place.starts_at)}"


def _name(people: People, user_id: ObjectId | None) -> str | None:
    person = people.get(user_id) if user_id else None
    return None if person is None else str(person.name)
