"""Each migration is applied exactly once and creates the indexes and validators that the rules require."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from mongoengine.connection import get_connection
from pymongo.errors import DuplicateKeyError
from pymongo_migrate.mongo_migrate import MongoMigrate

from arthomed.appointments.rules import ACTIVE, OVERFLOW_SEAT, Status
from arthomed.core import clock
from arthomed.infra import migrations, mongo
from tests.commands import run_twice_concurrently
from tests.factories import Records
from tests.migrations.records import appointment

NAMES = sorted(path.stem for path in migrations.MIGRATIONS.glob("0*.py"))


def indexes(database: Records) -> dict[str, Any]:
    """Every index of every collection, with its options."""
    return {
        name: {index: dict(parts) for index, parts in database[name].index_information().items()}
        for name in database.list_collection_names()
    }


def test_a_second_run_does_nothing(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    before = indexes(fresh)

    assert migrations.upgrade(fresh_uri) == []
    assert indexes(fresh) == before


def test_concurrent_commands_apply_each_migration_once_and_in_order(
    environment: dict[str, str], fresh_uri: str, fresh: Records, tmp_path: Path
) -> None:
    outputs = run_twice_concurrently(tmp_path, {**environment, "MONGODB_URI": fresh_uri}, "migrate", "up")

    lines = [line for text in outputs for line in text.splitlines() if line.startswith("applied")]
    assert lines == [f"applied {name}" for name in NAMES]
    assert fresh.migration_locks.count_documents({}) == 0


def test_the_status_shows_when_each_migration_was_applied(fresh_uri: str) -> None:
    missing = migrations.status(fresh_uri)
    migrations.upgrade(fresh_uri)
    applied = migrations.status(fresh_uri)

    assert missing == [(name, None) for name in NAMES]
    assert [name for name, _ in applied] == NAMES
    assert all(at is not None and datetime.now(UTC) - at < timedelta(minutes=1) for _, at in applied)


def test_reading_the_status_changes_nothing(fresh_uri: str, fresh: Records) -> None:
    migrations.status(fresh_uri)

    assert fresh.list_collection_names() == []


def test_the_next_run_completes_an_interrupted_one(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    complete = indexes(fresh)
    fresh.migrations.delete_many({"name": {"$gte": "0003"}})  # executed, but not marked as applied
    fresh.appointments.drop_index("seat_once")

    assert migrations.upgrade(fresh_uri) == NAMES[2:]
    assert indexes(fresh) == complete


def test_an_expired_lock_is_taken_over(fresh_uri: str, fresh: Records) -> None:
    fresh.migration_locks.insert_one({"_id": "lock", "holder": "dead", "until": clock.now() - timedelta(seconds=1)})

    assert migrations.upgrade(fresh_uri) == NAMES


def test_a_run_waits_for_the_lock(fresh_uri: str, fresh: Records) -> None:
    until = clock.now() + timedelta(seconds=0.5)
    fresh.migration_locks.insert_one({"_id": "lock", "holder": "running", "until": until})

    assert migrations.upgrade(fresh_uri) == NAMES
    assert clock.now() > until


def test_all_migrations_can_be_downgraded_and_applied_again(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    complete = indexes(fresh)
    MongoMigrate(
        get_connection(), fresh.name, migrations_dir=str(migrations.MIGRATIONS), migrations_collection="migrations"
    ).downgrade()

    assert set(fresh.list_collection_names()) <= {"migrations", "migration_locks"}
    migrations.upgrade(fresh_uri)
    assert indexes(fresh) == complete


def test_a_missing_required_index_is_named(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    dropped = []
    for collection, names in mongo.REQUIRED_INDEXES.items():
        for name in names:
            fresh[collection].drop_index(name)
            dropped.append(f"{collection}.{name}")

            with pytest.raises(mongo.DatabaseNotReady) as refused:
                mongo.require_indexes(fresh_uri)
            assert all(index in str(refused.value) for index in dropped)


def test_a_required_index_must_be_unique(fresh_uri: str, fresh: Records) -> None:
    migrations.upgrade(fresh_uri)
    fresh.slots.drop_index("slot_once")
    fresh.slots.create_index([("doctor", 1), ("date", 1), ("startTime", 1)], name="slot_once")

    with pytest.raises(mongo.DatabaseNotReady, match=r"slots\.slot_once"):
        mongo.require_indexes(fresh_uri)


SAME_SEAT = ("doctor", "appointmentDate", "appointmentTime", "seat")
SAME_START = ("patient", "startsAt")
SAME_DOCTOR_AND_DAY = ("patient", "doctor", "appointmentDate")


def pair(shared: tuple[str, ...], **parts: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two appointments that share only these fields."""
    first = appointment(**parts)
    second = appointment(startsAt=datetime(2026, 12, 2, tzinfo=UTC), appointmentTime="10:00", **parts)
    return first, {**second, **{name: first[name] for name in shared}}


@pytest.mark.parametrize("shared", [SAME_SEAT, SAME_START, SAME_DOCTOR_AND_DAY], ids=" ".join)
@pytest.mark.parametrize("status", sorted(ACTIVE))
def test_two_active_appointments_never_share_seat_start_or_doctor_and_day(
    database: Records, shared: tuple[str, ...], status: str
) -> None:
    first, second = pair(shared, status=status)
    database.appointments.insert_one(first)

    with pytest.raises(DuplicateKeyError):
        database.appointments.insert_one(second)


@pytest.mark.parametrize("shared", [SAME_SEAT, SAME_START, SAME_DOCTOR_AND_DAY], ids=" ".join)
@pytest.mark.parametrize("status", sorted(set(Status) - ACTIVE))
def test_an_inactive_appointment_does_not_block_another(
    database: Records, shared: tuple[str, ...], status: str
) -> None:
    first, second = pair(shared, status=status)
    database.appointments.insert_one(first)
    database.appointments.insert_one({**second, "status": "pending"})

    assert database.appointments.count_documents({}) == 2


def test_an_overflow_place_is_at_the_time_of_another_appointment(database: Records) -> None:
    first, second = pair(SAME_START)
    database.appointments.insert_many([first, {**second, "seat": OVERFLOW_SEAT + 1}])

    assert database.appointments.count_documents({}) == 2


def test_an_appointment_cannot_become_active_while_another_has_its_seat(database: Records) -> None:
    first, second = pair(SAME_SEAT)
    database.appointments.insert_many([first, {**second, "status": "no-show"}])

    with pytest.raises(DuplicateKeyError):
        database.appointments.update_one({"_id": second["_id"]}, {"$set": {"status": "confirmed"}})


Record = Callable[[], dict[str, Any]]
_SAME = ObjectId()


@pytest.mark.parametrize(
    ("collection", "record"),
    [
        ("users", lambda: {"mobileNumber": "9876543210"}),
        ("slots", lambda: {"doctor": _SAME, "date": datetime(2026, 12, 1, tzinfo=UTC), "startTime": "09:00"}),
        ("otps", lambda: {"mobileNumber": "9876543210"}),
        ("idempotency_keys", lambda: {"user": _SAME, "key": "a-key-of-mine"}),
        ("sessions", lambda: {"pushToken": "a-token-of-the-tests"}),
        ("notifications", lambda: {"subject": _SAME, "kind": "code", "version": 1, "channel": "sms"}),
    ],
)
def test_a_unique_index_refuses_a_duplicate(database: Records, collection: str, record: Record) -> None:
    database[collection].insert_one(record(), bypass_document_validation=True)

    with pytest.raises(DuplicateKeyError):
        database[collection].insert_one(record(), bypass_document_validation=True)


@pytest.mark.parametrize(("collection", "seconds"), [("otps", 86_400), ("sessions", 0), ("idempotency_keys", 86_400)])
def test_collections_with_expiring_documents_have_a_ttl_index(database: Records, collection: str, seconds: int) -> None:
    expiries = [index.get("expireAfterSeconds") for index in database[collection].index_information().values()]

    assert seconds in expiries
