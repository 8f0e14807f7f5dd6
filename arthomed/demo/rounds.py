"""Which slots the patients of a doctor have on the demo day, and when it is their turn."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from arthomed.appointments.rules import START_FROM
from arthomed.config import settings
from arthomed.core import clock
from arthomed.demo.day import Day, actor_of
from arthomed.demo.people import Person, Practice, Story
from arthomed.demo.visits import Patient, Visit
from arthomed.scheduling import rules, single_slots
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.bookability import BlockReason
from arthomed.scheduling.models import Slot
from arthomed.scheduling.single_slots import NewSlot

_AROUND, _BEFORE, _LATEST = timedelta(hours=4), timedelta(hours=2), timedelta(hours=20)
_MINUTE = timedelta(minutes=1)
_MIN_BEGUN, _MAX_BEHIND = 3, 2
_MINUTES_OF_A_DAY = 24 * 60
_REACHED = frozenset(
    {Story.DONE, Story.PAID_IN_PART, Story.PAID_WRONG, Story.NO_SHOW, Story.STARTED, Story.CALLED, Story.SKIPPED}
)
_COMING = frozenset({Story.WAITING, Story.EARLY, Story.EXPECTED, Story.PENDING})
_OTHERS = frozenset(Story) - _REACHED - _COMING

Patients = Sequence[tuple[Patient, Person]]


class Round:
    """A doctor's day. A doctor who has no hours around now gets extra slots."""

    def __init__(self, day: Day, practice: Practice) -> None:
        self._day, self._practice = day, practice
        self._doctor = actor_of(practice.doctor)
        with clock.at(day.evening_before - timedelta(hours=1)):
            scheduling.sync_doctor(self._doctor.signed_in_user_id)
            self._add_slots()

    def plan(self, patients: Patients) -> None:
        """Give those who have been here the latest slots that have begun, and the others the next ones."""
        reached, coming, others = (
            [one for one in patients if one[1].story in kind] for kind in (_REACHED, _COMING, _OTHERS)
        )
        begun, later = self._seats(len(coming))
        count = min(len(reached), len(begun))
        self._plan_reached(self._visits(reached[len(reached) - count :], begun[len(begun) - count :]))
        for visit in self._visits(coming, later):
            visit.comes()
        for visit in self._visits(others, (later or begun)[-1:] * len(others)):
            visit.is_given_up_or_walks_in(close=self._close)

    def _visits(self, patients: Patients, seats: Sequence[Slot]) -> list[Visit]:
        return [
            Visit(self._day, self._doctor, self._practice, patient, person, slot)
            for (patient, person), slot in zip(patients, seats, strict=False)
        ]

    def _plan_reached(self, visits: Sequence[Visit]) -> None:
        """It is their turn just after the start of their slots, or earlier when several had to be seen by now."""
        end = self._day.now
        next_turn = self._day.now + 8 * _MINUTE
        for visit in reversed(visits):
            soon, earliest = visit.slot.starts_at + 3 * _MINUTE, visit.slot.starts_at - START_FROM
            turn = max(min(soon, next_turn - 12 * _MINUTE), earliest)
            visit.was_reached(turn, end=min(turn + 18 * _MINUTE, end - 2 * _MINUTE))
            end = next_turn = turn

    def _seats(self, needed: int) -> tuple[list[Slot], list[Slot]]:
        """The seats of today's slots around now: of those that have begun, and of the later ones.

        Just after midnight the first slots are begun early; late at night the last ones wait.
        """
        now, slots = self._day.now, self._around_now()
        early = sum(one.starts_at - START_FROM <= now - 10 * _MINUTE for one in slots)
        begun = max(sum(one.starts_at <= now for one in slots), min(early, _MIN_BEGUN))
        begun -= min(max(needed - (len(slots) - begun), 0), _MAX_BEHIND)
        return _seats_of(slots[:begun]), _seats_of(slots[begun:])

    def _add_slots(self) -> None:
        length = settings().policy.slot_minutes
        for start in range(0, _MINUTES_OF_A_DAY - length + 1, length):
            begin, end = rules.hhmm(start), rules.hhmm(start + length)
            taken = any(rules.times_overlap(begin, end, one.start_time, one.end_time) for one in self._of_today())
            if not taken and self._is_around_now(clock.wall_clock(self._day.date, begin, settings().policy.timezone)):
                new = NewSlot(self._doctor.signed_in_user_id, self._day.date, begin, end, self._practice.seats)
                single_slots.add(self._doctor, new)

    def _is_around_now(self, start: datetime) -> bool:
        """Within four hours of today that include now."""
        first = min(max(self._day.now - _BEFORE, self._day.midnight), self._day.midnight + _LATEST)
        return first <= start < first + _AROUND

    def _around_now(self) -> list[Slot]:
        return [one for one in self._of_today() if self._is_around_now(one.starts_at) and not one.is_blocked]

    def _of_today(self) -> list[Slot]:
        day = clock.midnight_utc(self._day.date)
        return list(Slot.objects(doctor=self._doctor.signed_in_user_id, date=day).order_by("starts_at"))

    def _close(self) -> None:
        """Take no more patients today."""
        for slot in self._of_today():
            if slot.ends_at > clock.now() and not slot.booked_patients:
                single_slots.set_blocked(self._doctor, slot.id, is_blocked=True, reason=BlockReason.PERSONAL)


def _seats_of(slots: Sequence[Slot]) -> list[Slot]:
    return [slot for slot in slots for _ in range(slot.max_patients - slot.booked_patients)]
