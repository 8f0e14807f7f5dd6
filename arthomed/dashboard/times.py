"""The choice of a time: now, the next free ones, those of a day, or the nearest to a time that was asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

import marshmallow as ma
from bson import ObjectId
from flask import request
from flask_babel import LazyString, gettext, lazy_gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.service import offers
from arthomed.appointments.service.offers import Offer
from arthomed.appointments.service.refusals import ALTERNATIVES
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import ClinicError, DuplicateValue
from arthomed.dashboard import forms
from arthomed.frontdesk.service import callers
from arthomed.frontdesk.service.day import DoctorOfDay
from arthomed.http.schema import PlainText, day_of
from arthomed.scheduling import single_slots
from arthomed.scheduling.bookability import Obstacle
from arthomed.scheduling.single_slots import Reason
from arthomed.users.models import User

OFFERED = 6
CHOOSE_TIME = "Please choose a time."
SPECIALIZATION = "of:"
_SEPARATOR = "/"
_OBSTACLES: Mapping[Obstacle, LazyString] = {
    Obstacle.DOCTOR_INACTIVE: lazy_gettext("The account of the doctor is closed. Please choose another doctor."),
    Obstacle.PAST: lazy_gettext("This time has passed. Please choose a later one."),
    Obstacle.OUTSIDE_HOURS: lazy_gettext(
        "No appointment of the doctor begins at this time. Please choose one of these times."
    ),
    Obstacle.BLOCKED: lazy_gettext(
        "The doctor is not available at this time. Please choose another time or another doctor."
    ),
    Obstacle.FULL: lazy_gettext("All places of this time are taken. Please choose one of these times."),
}
_DAYS_OFF: Mapping[Obstacle, LazyString] = {
    Obstacle.OUTSIDE_HOURS: lazy_gettext(
        "The doctor has no hours on this day. Please choose another day or another doctor."
    ),
    Obstacle.BLOCKED: lazy_gettext("The doctor is away on this day. Please choose another day or another doctor."),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A doctor and a time; without a time the patient walked in."""

    doctor_id: ObjectId | None
    day: date | None = None
    hhmm: str | None = None


class ChosenTime(PlainText):
    """A time as the form sends it, see `value_of`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Chosen:  # type: ignore[override]
        doctor, *when = super()._deserialize(value, attr, data, **kwargs).split(_SEPARATOR)
        day, hhmm = (day_of(when[0]), _time(when[1])) if len(when) == 2 else (None, None)  # noqa: PLR2004  date and time
        if not ObjectId.is_valid(doctor) or (when and (day is None or hhmm is None)):
            raise ma.ValidationError(CHOOSE_TIME)
        return Chosen(ObjectId(doctor), day, hhmm)


@dataclass(frozen=True, slots=True)
class Choice:
    """A time that can be chosen; of the place in the queue for one who walked in also who waits there."""

    offer: Offer
    is_walk_in: bool = False
    waiting: int = 0

    @property
    def value(self) -> str:
        """What the form sends for it."""
        doctor = str(self.offer.doctor.id)
        return doctor if self.is_walk_in else _SEPARATOR.join((doctor, self.offer.date.isoformat(), self.offer.time))

    @property
    def has_begun(self) -> bool:
        return self.offer.starts_at <= clock.now()


@dataclass(frozen=True, slots=True)
class Times:
    """What can be chosen; `asked` is the time that somebody asked for.

    `is_refused` says that this time is not free, `is_full` that the day has no free time, so that later ones follow.
    """

    choices: Sequence[Choice]
    asked: Chosen
    closest: Choice | None = None
    is_refused: bool = False
    is_full: bool = False

    @property
    def chosen(self) -> str:
        """What the form sent last if it is still there, else the closest to what was asked for, or the first.

        Nothing is chosen for what is not free, nor among the times of several doctors on a day.
        """
        if self.is_refused or self.is_full:
            return ""
        values, sent = [choice.value for choice in self.choices], request.values.get("when", "")
        if sent in values:
            return sent
        if self.asked.day is not None and self.asked.hhmm is None and self.shows_doctor:
            return ""
        return self.closest.value if self.closest else next(iter(values), "")

    @property
    def shows_doctor(self) -> bool:
        return len({choice.offer.doctor.id for choice in self.choices}) > 1


def select(bookable: Sequence[User], selected: str) -> list[User]:
    """A doctor, those of a specialization, or all."""
    if selected.startswith(SPECIALIZATION):
        wanted = selected.removeprefix(SPECIALIZATION)
        return [doctor for doctor in bookable if offers.specialization_of(doctor) == wanted]
    return [doctor for doctor in bookable if selected in ("", str(doctor.id))]


def find(
    doctors: Sequence[User],
    *,
    queues: Sequence[DoctorOfDay] | None = None,
    moved: Appointment | None = None,
    refused: Chosen | None = None,
) -> Times:
    """The times of some doctors for this request, which may name a day and a time.

    With `queues` a patient may have walked in. An appointment that is moved is offered the times around its present
    one. `refused` is a time that was chosen and is not free any more.
    """
    asked = refused if refused and refused.hhmm else _asked(doctors, usual_day=moved.start[1] if moved else today())
    if asked.day is not None:
        return _on_day(doctors, asked, asked.day)
    if moved is not None:
        _, day, hhmm = moved.start
        around = offers.nearest(doctors, day, str(hhmm), limit=OFFERED + 1)
        others = [Choice(one) for one in around if one.start != moved.start][:OFFERED]
        return Times(_in_order(others), asked, next(iter(others), None))
    now = None if queues is None else callers.offer_to_walk_in(doctors, queues)
    found = [Choice(one) for one in offers.next_free(doctors, limit=OFFERED)]
    return Times([Choice(now.place, is_walk_in=True, waiting=now.waiting), *found] if now else found, asked)


def _on_day(doctors: Sequence[User], asked: Chosen, day: date) -> Times:
    """All free times of a day, or those nearest to a time of it."""
    if asked.hhmm is None:
        free = [Choice(one) for one in offers.of_day(doctors, day)]
        later = [Choice(one) for one in offers.next_free(doctors, limit=OFFERED, since=day)] if not free else []
        return Times(free or later, asked, is_full=not free)
    nearest = [Choice(one) for one in offers.nearest(doctors, day, asked.hhmm, limit=ALTERNATIVES)]
    is_free = any((one.offer.date, one.offer.time) == (day, asked.hhmm) for one in nearest)
    return Times(_in_order(nearest), asked, next(iter(nearest), None), is_refused=not is_free)


def _in_order(choices: Sequence[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda one: (one.offer.starts_at, one.offer.doctor.name))


def _asked(doctors: Sequence[User], *, usual_day: date) -> Chosen:
    """The day and time of the form, of a doctor if it names one; a time alone is of the usual day.

    A screen below may have a date of its own.
    """
    doctor = doctors[0].id if len(doctors) == 1 else None
    day, hhmm = day_of(request.values.get("onDate", "")), _time(request.values.get("atTime", ""))
    return Chosen(doctor, usual_day if day is None and hhmm else day, hhmm)


def refusal(error: ClinicError) -> str:
    """Why the time that was chosen is refused, and what to do."""
    text = next(iter(forms.messages(error).values()))
    if isinstance(error, DuplicateValue):
        return str(gettext("%(problem)s. Please choose another time or day.", problem=text))
    return text


def reasons(actor: Actor, doctor_id: ObjectId, day: date, hhmm: str) -> list[str]:
    """Why a time cannot be booked, in the reader's language.

    Raises:
        NotFound: there is no such doctor.
    """
    found = single_slots.explain(actor, doctor_id, day, hhmm)
    account = [one for one in found if one.code is Obstacle.DOCTOR_INACTIVE]  # it closes all times, too
    return [_reason(one) for one in account or found] or [gettext("This time is free now. Please enter it again.")]


def _reason(found: Reason) -> str:
    if found.code is Obstacle.BEYOND_HORIZON:
        days = settings().policy.horizon_days
        return str(gettext("Only the next %(days)s days can be booked. Please choose an earlier day.", days=days))
    return str((_DAYS_OFF if found.is_of_day else _OBSTACLES)[found.code])


def _time(given: str) -> str | None:
    try:
        return f"{time.fromisoformat(given):%H:%M}"
    except ValueError:
        return None


def today() -> date:
    return clock.today(settings().policy.timezone)
