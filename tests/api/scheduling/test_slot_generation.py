"""Generation of slots for the rolling horizon, every night and by command."""

import json
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from redis import Redis
from structlog.testing import capture_logs

from arthomed.appointments.service import consistency
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.scheduling.service import SlotsNotSynced
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.clinic import aborted_transactions
from tests.factories import Records
from tests.stack import wait_for

TUESDAY = date(2026, 12, 1)
HOUR = factories.every_day("09:00", "10:00")

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def just_after_midnight() -> Iterator[None]:
    """Five past midnight at the clinic, when Celery beat starts the generation."""
    with time_machine.travel(datetime(2026, 11, 30, 18, 35, tzinfo=UTC), tick=True):
        yield


def doctor_without_slots(database: Records, week: list[dict[str, Any]] = HOUR, **parts: Any) -> User:
    doctor = factories.make_doctor(week, **parts)
    database.slots.delete_many({"doctor": doctor.id})
    return doctor


def dates(doctor: User) -> list[date]:
    return sorted({slot.date.date() for slot in Slot.objects(doctor=doctor.id)})


def stored_slots(database: Records) -> list[dict[str, Any]]:
    return list(database.slots.find().sort("_id", 1))


def test_slots_are_created_for_each_day_of_the_horizon(database: Records) -> None:
    doctor = doctor_without_slots(database)

    assert scheduling.generate() == 60

    made = dates(doctor)
    assert (made[0], made[-1], len(made)) == (TUESDAY, TUESDAY + timedelta(days=29), 30)


def test_slot_is_stored_with_start_instant_and_fee(database: Records) -> None:
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


def test_second_generation_changes_nothing(database: Records) -> None:
    doctor_without_slots(database)
    scheduling.generate()
    once = stored_slots(database)

    assert scheduling.generate() == 0
    assert stored_slots(database) == once


def test_generation_does_not_change_booked_slots(database: Records) -> None:
    doctor = factories.make_doctor(HOUR)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:10"), tick=True):
        scheduling.generate()

    slot = database.slots.find_one({"_id": appointment.slot})
    assert slot is not None
    assert slot["takenSeats"] == [1]
    assert list(consistency.violations()) == []


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_no_slots_are_created_for_a_user_who_is_not_bookable(database: Records, parts: dict[str, Any]) -> None:
    doctor_without_slots(database, **parts)
    factories.make_user(Role.RECEPTIONIST)

    assert scheduling.generate() == 0
    assert database.slots.count_documents({}) == 0


def test_sync_of_one_doctor_does_not_create_slots_of_others(database: Records) -> None:
    doctor, other = doctor_without_slots(database), doctor_without_slots(database)

    change = scheduling.sync_doctor(doctor.id)

    assert change is not None
    assert (len(change.created), dates(other)) == (60, [])


def test_doctor_who_changes_role_during_the_sync_does_not_stop_the_others(database: Records) -> None:
    doctors = [doctor_without_slots(database) for _ in range(3)]
    changed = doctors[1]
    before = aborted_transactions(database)
    with ThreadPoolExecutor(1) as thread, database.client.start_session() as session, session.start_transaction():
        database.users.update_one({"_id": changed.id}, {"$set": {"role": "receptionist"}}, session=session)
        synced = thread.submit(scheduling.sync_doctors, [doctor.id for doctor in doctors])
        wait_for(
            lambda: synced.done() or aborted_transactions(database) > before, what="the sync to reach the second doctor"
        )
        session.commit_transaction()

        assert synced.result() == 120
    assert [len(dates(doctor)) for doctor in doctors] == [30, 0, 30]


@pytest.mark.parametrize(
    "broken",
    [{"doctorInfo.schedule.0.startTime": "nine"}, {"doctorInfo.schedule": "always"}, {"doctorInfo": None}],
    ids=["time of day", "schedule", "no doctor's record"],
)
def test_doctor_with_a_broken_record_does_not_stop_the_others_and_fails_the_job(
    database: Records, broken: dict[str, Any]
) -> None:
    doctors = [doctor_without_slots(database) for _ in range(3)]
    database.users.update_one({"_id": doctors[1].id}, {"$set": broken})

    with capture_logs() as logs, pytest.raises(SlotsNotSynced, match="1 of 3 doctors"):
        scheduling.sync_doctors([doctor.id for doctor in doctors])

    assert database.slots.distinct("doctor") == sorted([doctors[0].id, doctors[2].id])
    assert [log["doctor_id"] for log in logs if log["event"] == "slots_not_synced"] == [str(doctors[1].id)]


def test_id_of_a_user_who_is_no_doctor_is_skipped(database: Records) -> None:
    doctor, receptionist = doctor_without_slots(database), factories.make_user(Role.RECEPTIONIST)

    assert scheduling.sync_doctors([receptionist.id, factories.UNKNOWN_ID, doctor.id]) == 60


def test_generation_continues_after_a_failed_batch(database: Records) -> None:
    doctors = [doctor_without_slots(database, HOUR[:1]) for _ in range(21)]
    database.users.update_one({"_id": doctors[0].id}, {"$set": {"doctorInfo.schedule.0.startTime": "nine"}})

    with pytest.raises(SlotsNotSynced, match="1 of 21 doctors"):
        scheduling.generate()

    assert len(database.slots.distinct("doctor")) == 20


def test_changed_fee_applies_to_slots_and_not_to_appointments(database: Records) -> None:
    doctor = factories.make_doctor(HOUR)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY)
    User.objects(id=doctor.id).update(set__doctor_info__consultation_fee=900)

    scheduling.sync_doctor(doctor.id)

    assert database.slots.distinct("consultationFee") == [900]
    assert database.appointments.distinct("payment.amount") == [appointment.payment.amount] == [500]


def test_generation_enqueues_jobs_of_at_most_twenty_doctors(database: Records, environment: dict[str, str]) -> None:
    doctors = [doctor_without_slots(database, []).id for _ in range(21)]
    doctor_without_slots(database, is_active=False)

    scheduling.enqueue_generation()

    with Redis.from_url(environment["REDIS_URL"], decode_responses=True) as redis:
        batches = [json.loads(b64decode(json.loads(raw)["body"]))[0] for raw in redis.lrange("slots", 0, -1)]
    assert sorted(map(len, batches)) == [1, 20]
    assert sorted(doctor for ids in batches for doctor in ids) == sorted(map(str, doctors))


def test_changed_slot_length_replaces_free_slots() -> None:
    doctor = factories.make_doctor(HOUR)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:30")
    with factories.environment(SLOT_MINUTES="20"):
        scheduling.generate()

    first, second = (factories.slots_of(doctor, TUESDAY + timedelta(days=ahead)) for ahead in range(2))
    assert [(slot.start_time, slot.id == appointment.slot) for slot in first] == [("09:00", False), ("09:30", True)]
    assert [slot.start_time for slot in second] == ["09:00", "09:20", "09:40"]
    assert list(consistency.violations()) == []
