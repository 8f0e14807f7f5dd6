"""The doctor whom a patient who walked in gets."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from arthomed.frontdesk import walk_ins
from arthomed.frontdesk.walk_ins import Candidate

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    doctor: str
    starts_at: datetime
    is_overflow: bool = False


def candidate(
    doctor: str, *, minutes: int, waiting: int = 0, being_seen: int = 0, extra: bool = False
) -> Candidate[Place]:
    return Candidate(Place(doctor, NOW + timedelta(minutes=minutes), extra), waiting, being_seen)


def chosen(*candidates: Candidate[Place]) -> str:
    found = walk_ins.choose(candidates, NOW)
    assert found is not None
    return found.place.doctor


def test_the_shortest_queue_counts_and_not_the_earliest_slot() -> None:
    assert chosen(candidate("busy", minutes=-20, waiting=3), candidate("quiet", minutes=30, waiting=1)) == "quiet"


def test_of_equal_queues_the_doctor_without_a_patient_is_first() -> None:
    assert chosen(candidate("with a patient", minutes=0, being_seen=1), candidate("free", minutes=10)) == "free"


def test_of_equal_queues_the_earlier_place_is_first() -> None:
    assert chosen(candidate("later", minutes=30, waiting=2), candidate("earlier", minutes=0, waiting=2)) == "earlier"


@pytest.mark.parametrize(("minutes", "expected"), [(60, "quiet"), (61, "busy")])
def test_a_doctor_whose_place_cannot_begin_within_the_hour_sees_nobody_now(minutes: int, expected: str) -> None:
    assert chosen(candidate("busy", minutes=0, waiting=9), candidate("quiet", minutes=minutes)) == expected


def test_an_extra_place_comes_after_all_slots() -> None:
    extra = candidate("full", minutes=10, extra=True)

    assert chosen(extra, candidate("busy", minutes=0, waiting=9)) == "busy"
    assert chosen(extra, candidate("evening", minutes=300)) == "evening"
    assert chosen(extra) == "full"


def test_when_nobody_can_see_the_patient_now_the_first_place_is_taken() -> None:
    assert chosen(candidate("evening", minutes=400), candidate("afternoon", minutes=300, waiting=5)) == "afternoon"


def test_without_a_doctor_there_is_no_place() -> None:
    assert walk_ins.choose([], NOW) is None
