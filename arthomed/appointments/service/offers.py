"""The times that the desk offers: now for patients who walked in, the next free ones of doctors, and those of a day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from bson import ObjectId

from arthomed.appointments import booking_rules, rules
from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.core import clock
from arthomed.scheduling.models import Slot
from arthomed.scheduling.seats import Seat, Start
from arthomed.users.models import User

_A_MOMENT = timedelta(milliseconds=1)  # times after an instant do not include it
_SHOWN_OF_DOCTOR = ("name", "role", "is_active", "is_verified", "doctor_info.specialization")


@dataclass(frozen=True, slots=True)
class Offer:
    """A time that can be booked now; an overflow place is after the doctor's last slot."""

    doctor: User
    date: date
    time: str
    starts_at: datetime
    fee: int
    is_overflow: bool = False

    @property
    def start(self) -> Start:
        return self.doctor.id, self.date, self.time

    @classmethod
    def of_slot(cls, doctor: User, slot: Slot) -> Self:
        return cls(doctor, slot.date.date(), slot.start_time, slot.starts_at, slot.consultation_fee)

    @classmethod
    def of_seat(cls, doctor: User, seat: Seat) -> Self:
        return cls(doctor, seat.date.date(), seat.start_time, seat.starts_at, seat.fee, seat.is_overflow)


def doctors() -> list[User]:
    """The doctors who can be booked, by name."""
    found = User.bookable_doctors().only(*_SHOWN_OF_DOCTOR)
    return sorted(found, key=lambda doctor: (doctor.name.casefold(), doctor.id))


def specialization_of(doctor: User) -> str | None:
    return doctor.doctor_info.specialization if doctor.doctor_info else None


def for_walk_ins(doctors: Iterable[User]) -> list[Offer]:
    """The first place of each doctor for a patient who walked in: a free slot of today, else an overflow place."""
    now, today = clock.now(), clock.today(settings().policy.timezone)
    by_id = {doctor.id: doctor for doctor in doctors}
    if not by_id:
        return []
    days = Slot.walk_in_seats([(id_, today, None) for id_ in by_id], now=now, session=None)
    seats = [seat for seats in days.values() if _can_start(seat := next(seats), now)]
    return [Offer.of_seat(by_id[seat.doctor], seat) for seat in seats]


def _can_start(seat: Seat, now: datetime) -> bool:
    try:
        booking_rules.ensure_can_start(seat.ends_at, now)
    except rules.SlotUnavailable:
        return False
    return True


def next_free(doctors: Sequence[User], *, limit: int, since: date | None = None) -> list[Offer]:
    """The next free times of some doctors, from a day on, in order."""
    now = clock.now()
    begin = now if since is None else max(now, clock.wall_clock(since, "00:00", settings().policy.timezone) - _A_MOMENT)
    return _closest(doctors, begin, now=begin, limit=limit)


def of_day(doctors: Iterable[User], day: date) -> list[Offer]:
    """All free times of some doctors on a day, in order."""
    by_id = {doctor.id: doctor for doctor in doctors}
    found = [Offer.of_slot(by_id[slot.doctor], slot) for slot in Slot.free_on([*by_id], day, now=clock.now())]
    return sorted(found, key=lambda offer: (offer.starts_at, offer.doctor.name))


def nearest(doctors: Sequence[User], day: date, time: str, *, limit: int) -> list[Offer]:
    """The free times of some doctors nearest to a time, the closest first."""
    wanted = clock.wall_clock(day, time, settings().policy.timezone)
    return _closest(doctors, wanted, now=clock.now(), limit=limit)


def _closest(doctors: Sequence[User], instant: datetime, *, now: datetime, limit: int) -> list[Offer]:
    by_id = {doctor.id: doctor for doctor in doctors}
    found = Slot.nearest_free(list(by_id), instant, now=now, limit=limit)
    return [Offer.of_slot(by_id[slot.doctor], slot) for slot in found]


def usual_doctor(patient: ObjectId) -> ObjectId | None:
    """The doctor of a patient's last appointment, whom the desk offers first."""
    last: Appointment | None = Appointment.objects(patient_id=patient).order_by("-starts_at", "-id").first()
    return None if last is None else last.doctor_id
