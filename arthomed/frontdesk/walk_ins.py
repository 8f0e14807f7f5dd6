"""Which doctor a patient who walked in goes to; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from arthomed.appointments.rules import START_FROM


class PlaceView(Protocol):
    """The part of a place that the rule needs."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def is_overflow(self) -> bool: ...


T = TypeVar("T", bound=PlaceView)


@dataclass(frozen=True, slots=True)
class Candidate(Generic[T]):
    """The first place of a doctor, how many patients wait for that doctor, and how many are called or being seen."""

    place: T
    waiting: int = 0
    being_seen: int = 0

    def is_now(self, now: datetime) -> bool:
        """Whether the consultation may begin at once: the slot has begun, or can be started before its time."""
        return not self.place.is_overflow and self.place.starts_at <= now + START_FROM


def choose(candidates: Iterable[Candidate[T]], now: datetime) -> Candidate[T] | None:
    """The doctor with the shortest queue among those whose place is now, else the first place of all.

    An overflow place comes after all slots.
    """

    def rank(one: Candidate[T]) -> tuple[bool, bool, int, int, datetime]:
        if one.is_now(now):
            return False, False, one.waiting, one.being_seen, one.place.starts_at
        return True, one.place.is_overflow, 0, 0, one.place.starts_at

    return min(candidates, key=rank, default=None)
