"""pymongo-migrate with the lock that it lacks: two hosts may start `flask migrate up` at once."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from bson import ObjectId
from mongoengine.connection import get_connection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo_migrate.mongo_migrate import MongoMigrate

from arthomed.core import clock
from arthomed.infra import mongo

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
log = structlog.get_logger()

_COLLECTION = "migrations"
_LOCKS = "migration_locks"
_LOCK_HELD_FOR = timedelta(minutes=10)  # after which its holder counts as dead
_LOCK_POLL_SECONDS = 0.2


def upgrade(uri: str) -> list[str]:
    """Apply what is missing, one process at a time; returns the names of what was applied."""
    migrate = _migrate(uri)
    with _only_one(migrate.db):
        missing = [one.name for one in migrate.get_migrations() if not migrate.get_state(one).applied]
        migrate.upgrade()
    return missing


def status(uri: str) -> list[tuple[str, datetime | None]]:
    """Every migration in order, with the instant it was applied."""
    migrate = _migrate(uri)
    return [(one.name, migrate.get_state(one).applied) for one in migrate.get_migrations()]


def ensure_collection(db: Database[Any], name: str, validator: dict[str, Any]) -> None:
    """A collection with a validator; may be run again after it was cut off."""
    if name in db.list_collection_names():
        db.command("collMod", name, validator=validator)
    else:
        db.create_collection(name, validator=validator)


def _migrate(uri: str) -> MongoMigrate:
    return MongoMigrate(
        client=get_connection(),
        database=mongo.database_name(uri),
        migrations_dir=str(MIGRATIONS),
        migrations_collection=_COLLECTION,
    )


@contextmanager
def _only_one(db: Database[Any]) -> Iterator[None]:
    holder = f"{os.uname().nodename}:{os.getpid()}:{ObjectId()}"
    told = False
    while not _take(db, holder):
        if not told:
            held = db[_LOCKS].find_one({"_id": "lock"}) or {}
            log.warning("migration_lock_awaited", holder=held.get("holder"), until=str(held.get("until")))
            told = True
        time.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        db[_LOCKS].delete_one({"_id": "lock", "holder": holder})


def _take(db: Database[Any], holder: str) -> bool:
    now = clock.now()
    try:
        db[_LOCKS].update_one(
            {"_id": "lock", "until": {"$lt": now}},
            {"$set": {"holder": holder, "until": now + _LOCK_HELD_FOR}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True
