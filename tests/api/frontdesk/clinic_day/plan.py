"""Who comes to the clinic on a Tuesday, when, and what happens to them; all of it follows from a seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from arthomed.users.models import User
from tests import factories
from tests.factories import at_clinic

TUESDAY = date(2026, 12, 1)
MONDAY = TUESDAY - timedelta(days=1)
SLOT = timedelta(minutes=30)
_LETTERS = str.maketrans("0123456789", "abcdefghij")  # a name has no digits


class Source(StrEnum):
    APP = "app"
    DESK = "desk"
    WALK_IN = "walk-in"


class Fate(StrEnum):
    COMES = "comes"
    LATE = "late"
    NO_SHOW = "no-show"
    MISSED = "comes after the no-show was marked"
    CANCELS_EARLY = "cancels more than a day before"
    CANCELS_LATE = "cancels on the evening before"
    CALLS_OFF = "cancels by phone on the day"
    MOVES = "moves to another time"
    UNCONFIRMED = "is never confirmed"
    REJECTED = "is rejected"
    MISTAKEN = "is marked as arrived by mistake before arriving"
    AWAY = "is away when called"
    LEAVES = "leaves while waiting"
    EMERGENCY = "is an emergency"
    INTERRUPTED = "is interrupted by an emergency of the doctor"
    FORGOTTEN = "is never completed by the doctor"
    RESTARTED = "is started by mistake"


_OF_SOURCE = {
    Source.APP: (
        *(Fate.CANCELS_EARLY, Fate.CANCELS_LATE, Fate.MOVES, Fate.UNCONFIRMED, Fate.REJECTED),
        *(Fate.LATE, Fate.LATE, Fate.AWAY, Fate.MISSED),
    ),
    Source.DESK: (Fate.CALLS_OFF, Fate.NO_SHOW, Fate.MOVES, Fate.MISTAKEN, Fate.RESTARTED),
    Source.WALK_IN: (Fate.EMERGENCY, Fate.LEAVES, Fate.AWAY, Fate.INTERRUPTED, Fate.FORGOTTEN),
}


@dataclass(frozen=True)
class Hours:
    """A doctor's hours of Tuesday, with the patients of each slot."""

    start: str
    end: str
    seats: int
    fee: int

    def times(self) -> list[str]:
        first, last = (int(time[:2]) * 60 + int(time[3:]) for time in (self.start, self.end))
        return [f"{minute // 60:02}:{minute % 60:02}" for minute in range(first, last, SLOT // timedelta(minutes=1))]


@dataclass(frozen=True)
class Size:
    """How many come to which doctors; `repeats` is how often each fate occurs in a source at least.

    The last `family` of those booked by app are family members of the others.
    """

    doctors: Sequence[Hours]
    by_app: int
    family: int
    by_desk: int
    walk_ins: int
    repeats: int
    closes: str


SHORT = Size((Hours("09:00", "12:00", 1, 500), Hours("09:00", "13:00", 2, 400)), 13, 3, 7, 10, 1, "15:30")
FULL = Size(
    (
        Hours("09:00", "13:00", 1, 500),
        Hours("09:00", "18:00", 2, 400),
        Hours("09:00", "18:00", 1, 800),
        Hours("10:00", "19:00", 1, 600),
        Hours("11:00", "20:00", 1, 500),
    ),
    60,
    20,
    30,
    30,
    3,
    "21:30",
)


@dataclass
class Patient:
    """What the script knows of a patient: nothing of it comes from the list of the day."""

    name: str
    mobile: str
    source: Source
    fate: Fate
    doctor: int
    time: str = ""
    """The time of the slot; of a walk-in the time of the arrival."""
    head: "Patient | None" = None
    """The patient of whose family this one is."""
    user: User | None = None
    appointment_id: str = ""
    starts_at: datetime = field(default_factory=lambda: at_clinic(TUESDAY, "09:00"))
    is_overflow: bool = False
    fee: int = 0
    token: int = 0
    priority: str | None = None
    arrived_at: datetime | None = None
    is_in_room: bool = False
    is_called: bool = False
    has_left: bool = False
    away_until: datetime | None = None
    skips: int = 0
    paid: int = 0


def people(size: Size, rng: random.Random) -> list[Patient]:
    """All patients of the day; those who book have different seats, and the first doctor is booked out."""
    seats = [(number, time) for number, hours in enumerate(size.doctors) for time in hours.times() * hours.seats]
    rng.shuffle(seats)
    seats.sort(key=lambda seat: seat[0] != 0)
    booked = seats[: size.by_app + size.by_desk]
    rng.shuffle(booked)
    found = []
    for source, count in ((Source.APP, size.by_app), (Source.DESK, size.by_desk)):
        fates = _fates(source, count, size.repeats, rng)
        found += [_patient(source, fate, *booked.pop()) for fate in fates]
    for member in found[size.by_app - size.family : size.by_app]:
        member.head = rng.choice(found[: size.by_app - size.family])
    for fate in _fates(Source.WALK_IN, size.walk_ins, size.repeats, rng):
        doctor = 0 if rng.random() < 0.6 else rng.randrange(len(size.doctors))
        hours = size.doctors[doctor]
        found.append(_patient(Source.WALK_IN, fate, doctor, rng.choice(hours.times())))
    return found


def _fates(source: Source, count: int, repeats: int, rng: random.Random) -> list[Fate]:
    fates = [*_OF_SOURCE[source] * repeats]
    fates += [Fate.COMES] * (count - len(fates))
    rng.shuffle(fates)
    return fates


def _patient(source: Source, fate: Fate, doctor: int, time: str) -> Patient:
    mobile = factories.new_mobile()
    name = f"Patient {mobile[-4:].translate(_LETTERS)}"
    return Patient(name, mobile, source, fate, doctor, time, starts_at=at_clinic(TUESDAY, time))
