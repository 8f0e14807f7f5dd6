"""Runs pymongo-migrate under a lock, so that two hosts may run `flask migrate up` at the same time."""

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
_LOCK_TTL = timedelta(minutes=10)  # after that the holder counts as dead
_LOCK_POLL_SECONDS = 0.2


def upgrade(uri: str) -> list[str]:
    """Apply the missing migrations, one process at a time; returns their names."""
    migrate = _migrate(uri)
    with _lock(migrate.db):
        missing = [one.name for one in migrate.get_migrations() if not migrate.get_state(one).applied]
        migrate.upgrade()
    return missing


def status(uri: str) -> list[tuple[str, datetime | None]]:
    """Every migration in order, with the time when it was applied; None if it is missing."""
    migrate = _migrate(uri)
    return [(one.name, migrate.get_state(one).applied) for one in migrate.get_migrations()]


def ensure_collection(db: Database[Any], name: str, validator: dict[str, Any]) -> None:
    """Create a collection with a validator, or set the validator of an existing one."""
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
def _lock(db: Database[Any]) -> Iterator[None]:
    holder = f"{os.uname().nodename}:{os.getpid()}:{ObjectId()}"
    is_logged = False
    while not _acquire(db, holder):
        if not is_logged:
            lock = db[_LOCKS].find_one({"_id": "lock"}) or {}
            log.warning("migration_lock_awaited", holder=lock.get("holder"), until=str(lock.get("until")))
            is_logged = True
        time.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        db[_LOCKS].delete_one({"_id": "lock", "holder": holder})


def _acquire(db: Database[Any], holder: str) -> bool:
    now = clock.now()
    try:
        db[_LOCKS].update_one(
            {"_id": "lock", "until": {"$lt": now}},
            {"$set": {"holder": holder, "until": now + _LOCK_TTL}},
            upsert=True,
        )
    except DuplicateKeyError:
        return False
    return True
