"""Migration 0007 and its downgrade with sessions in the database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mongoengine.connection import get_connection
from pymongo_migrate.mongo_migrate import MongoMigrate

from arthomed.infra import migrations
from tests.factories import Records
from tests.migrations import records

USED_AT = datetime(2026, 11, 20, 5, 30, tzinfo=UTC)
BEFORE, AFTER = ("device", "updatedAt"), ("name", "platform", "lastUsedAt", "updatedAt")


def migrate(fresh: Records, to: str, *, up: bool) -> None:
    runner = MongoMigrate(
        get_connection(), fresh.name, migrations_dir=str(migrations.MIGRATIONS), migrations_collection="migrations"
    )
    runner.upgrade(to) if up else runner.downgrade(to)


def old_session(**parts: Any) -> dict[str, Any]:
    made = {**records.session(), "updatedAt": USED_AT, **parts}
    return {key: value for key, value in made.items() if key not in {"lastUsedAt", "platform"}}


def stored(fresh: Records, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{key: one[key] for key in fields if key in one} for one in fresh.sessions.find()]


@pytest.mark.parametrize("device", [{"device": "okhttp/4.12"}, {}], ids=["with a device", "without"])
def test_an_old_session_takes_its_last_use_from_its_last_change_and_its_name_from_its_device(
    fresh: Records, device: dict[str, str]
) -> None:
    migrate(fresh, "0006_audit", up=True)
    fresh.sessions.insert_one(old_session(**device))

    migrate(fresh, "0007_sessions", up=True)

    name = {"name": device["device"]} if device else {}
    assert stored(fresh, (*AFTER, "device")) == [
        {**name, "platform": "other", "lastUsedAt": USED_AT, "updatedAt": USED_AT}
    ]


def test_a_repeated_run_does_not_change_sessions_that_were_used_since(fresh: Records) -> None:
    migrate(fresh, "0007_sessions", up=True)
    used = records.session(name="Pixel", lastUsedAt=USED_AT + timedelta(days=1))
    fresh.sessions.insert_one(used)
    fresh.migrations.delete_one({"name": "0007_sessions"})

    migrate(fresh, "0007_sessions", up=True)

    assert fresh.sessions.find_one() == used


def test_the_downgrade_restores_old_sessions(fresh: Records) -> None:
    migrate(fresh, "0006_audit", up=True)
    old = old_session(device="okhttp/4.12")
    fresh.sessions.insert_one(old)
    migrate(fresh, "0007_sessions", up=True)

    migrate(fresh, "0006_audit", up=False)

    assert fresh.sessions.find_one() == old
    assert fresh.sessions.index_information()["devices"]["key"] == [("user", 1), ("updatedAt", -1)]
