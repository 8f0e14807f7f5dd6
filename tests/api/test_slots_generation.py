"""Slots for the rolling horizon: made every night and by command, as often as one likes."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from pymongo.database import Database
from redis import Redis

from arthomed.appointments.service import consistency
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories

TUESDAY = date(2026, 12, 1)
HOUR = factories.every_day("09:00", "10:00")
Records = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def just_after_midnight() -> Iterator[None]:
    """Five past midnight at the clinic, when beat asks for the slots."""
    with time_machine.travel(datetime(2026, 11, 30, 18, 35, tzinfo=UTC), tick=True):
        yield


def doctor_without_slots(database: Records, week: list[dict[str, Any]] = HOUR, **parts: Any) -> User:
    doctor = factories.make_doctor(week, **parts)
    database.slots.delete_many({"doctor": doctor.id})
    return doctor


def dates(doctor: User) -> list[date]:
    return sorted({slot.date.date() for slot in Slot.objects(doctor=doctor.id)})


def stored(database: Records) -> list[dict[str, Any]]:
    return list(database.slots.find().sort("_id", 1))


def test_slots_are_made_for_today_and_the_days_after(database: Records) -> None:
    doctor = doctor_without_slots(database)

    assert scheduling.generate() == 60

    made = dates(doctor)
    assert (made[0], made[-1], len(made)) == (TUESDAY, TUESDAY + timedelta(days=29), 30)


def test_a_slot_is_stored_with_its_instant_and_the_doctors_fee(database: Records) -> None:
    doctor = doctor_without_slots(database, HOUR[:1], fee=700)
    scheduling.generate()

    slot = database.slots.find_one({}, sort=[("startsAt", 1)])

    assert slot is not None
    assert slot.pop("_id")
    assert slot.pop("createdAt") == slot.pop("updatedAt")
    assert slot == {
        "doctor": doctor.id,
        "date": datetime(2026, 12, 7, tzinfo=UTC),
        "startTime": "09:00",
        "endTime": "09:30",
        "startsAt": datetime(2026, 12, 7, 3, 30, tzinfo=UTC),
        "isAvailable": True,
        "isBlocked": False,
        "maxPatients": 1,
        "bookedPatients": 0,
        "takenSeats": [],
        "consultationFee": 700,
    }


def test_making_them_again_changes_nothing(database: Records) -> None:
    doctor_without_slots(database)
    scheduling.generate()
    once = stored(database)

    assert scheduling.generate() == 0
    assert stored(database) == once


def test_making_them_several_times_at_once_changes_nothing_either(database: Records) -> None:
    doctor_without_slots(database)
    doctor_without_slots(database)

    made = factories.at_once(4, lambda _: scheduling.generate())

    assert sum(made) == database.slots.count_documents({}) == 120


def test_the_next_night_adds_the_next_day(database: Records) -> None:
    doctor = doctor_without_slots(database)
    scheduling.generate()
    with time_machine.travel(datetime(2026, 12, 1, 18, 35, tzinfo=UTC), tick=True):
        assert scheduling.generate() == 2

    assert (dates(doctor)[0], dates(doctor)[-1]) == (TUESDAY, TUESDAY + timedelta(days=30))


def test_visits_stay_untouched_by_the_night(database: Records) -> None:
    doctor = factories.make_doctor(HOUR)
    visit = factories.make_visit(doctor=doctor, day=TUESDAY)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:10"), tick=True):
        scheduling.generate()

    slot = database.slots.find_one({"_id": visit.slot})
    assert slot is not None
    assert slot["takenSeats"] == [1]
    assert list(consistency.violations()) == []


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_no_slots_are_made_for_who_cannot_be_booked(database: Records, parts: dict[str, Any]) -> None:
    doctor_without_slots(database, **parts)
    factories.make_user(Role.RECEPTIONIST)

    assert scheduling.generate() == 0
    assert database.slots.count_documents({}) == 0


def test_one_doctors_slots_are_made_without_the_others(database: Records) -> None:
    doctor, other = doctor_without_slots(database), doctor_without_slots(database)

    change = scheduling.sync_doctor(doctor.id)

    assert change is not None
    assert (len(change.made), dates(other)) == (60, [])


def test_another_fee_reaches_the_free_slots_and_not_the_visits(database: Records) -> None:
    doctor = factories.make_doctor(HOUR)
    visit = factories.make_visit(doctor=doctor, day=TUESDAY)
    User.objects(id=doctor.id).update(set__doctor_info__consultation_fee=900)

    scheduling.sync_doctor(doctor.id)

    assert database.slots.distinct("consultationFee") == [900]
    assert database.appointments.distinct("payment.amount") == [visit.payment.amount] == [500]


def test_the_night_asks_for_jobs_of_some_doctors_each(database: Records, environment: dict[str, str]) -> None:
    doctors = [doctor_without_slots(database, []).id for _ in range(21)]
    doctor_without_slots(database, is_active=False)

    scheduling.ask_for_generation()

    with Redis.from_url(environment["REDIS_URL"], decode_responses=True) as redis:
        asked = [json.loads(b64decode(json.loads(raw)["body"]))[0] for raw in redis.lrange("slots", 0, -1)]
    assert sorted(map(len, asked)) == [1, 20]
    assert sorted(doctor for ids in asked for doctor in ids) == sorted(map(str, doctors))


@pytest.fixture
def slots_of_twenty_minutes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """The clinic's policy, changed from when this is called."""

    def change() -> None:
        monkeypatch.setenv("SLOT_MINUTES", "20")
        settings.cache_clear()

    yield change
    monkeypatch.undo()
    settings.cache_clear()


def test_slots_of_another_length_replace_the_free_ones(slots_of_twenty_minutes: Callable[[], None]) -> None:
    doctor = factories.make_doctor(HOUR)
    visit = factories.make_visit(doctor=doctor, day=TUESDAY, time="09:30")
    slots_of_twenty_minutes()
    scheduling.generate()

    first, second = (factories.slots_of(doctor, TUESDAY + timedelta(days=ahead)) for ahead in range(2))
    assert [(slot.start_time, slot.id == visit.slot) for slot in first] == [("09:00", False), ("09:30", True)]
    assert [slot.start_time for slot in second] == ["09:00", "09:20", "09:40"]
    assert list(consistency.violations()) == []
