"""Cache tags: how a cached response learns that what it shows has changed.

A tag names what a response shows, for example one doctor's slots of one day. MongoDB holds a random version of each
tag. A transaction that changes what a tag names replaces the version, so the change and the invalidation commit
together. A cached response is used only while each of its tags has the version that was read before the data was.
A version is random because a counter would repeat after a rollback. `http/cache.py` stores the responses.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mongoengine import BinaryField, DateTimeField, Document, StringField
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from arthomed.core import clock
from arthomed.core.actor import Actor

COLLECTION = "cache_tags"
Versions = Mapping[str, bytes]


class CacheTag(Document):
    """The version of a tag; MongoDB removes it when the tag has not changed for a long time."""

    meta = {"collection": COLLECTION, "auto_create_index": False, "strict": False}

    tag = StringField(primary_key=True)
    version = BinaryField(required=True)
    changed_at = DateTimeField(db_field="changedAt", required=True)

    @classmethod
    def collection(cls) -> Collection[dict[str, Any]]:
        collection: Collection[dict[str, Any]] = cls._get_collection()
        return collection


@dataclass(slots=True)
class Dependencies:
    """What a response depends on: the versions of its tags, and the time at which it becomes wrong by itself."""

    versions: dict[str, bytes] = field(default_factory=dict)
    valid_until: datetime | None = None
    checks: list[Callable[[], bool]] = field(default_factory=list)
    records: list[Callable[[Actor], None]] = field(default_factory=list)


_invalidated: ContextVar[set[str] | None] = ContextVar("invalidated", default=None)
_dependencies: ContextVar[Dependencies | None] = ContextVar("dependencies", default=None)


def invalidate(*tags: str) -> None:
    """Replace the versions of tags; only within the `work` of `documents.transaction`, which writes them."""
    noted = _invalidated.get()
    assert noted is not None, "a tag changes only within a transaction"  # noqa: S101
    noted.update(tags)


@contextmanager
def writing_versions(session: ClientSession) -> Iterator[None]:
    """Around the work of a transaction: write the versions of the tags that it invalidates.

    They are written last, so that transactions with a tag in common conflict for as short a time as possible.
    """
    noted: set[str] = set()
    token = _invalidated.set(noted)
    try:
        yield
    finally:
        _invalidated.reset(token)
    if noted:
        CacheTag.collection().bulk_write([_new_version(tag, "$set") for tag in sorted(noted)], session=session)


def depends_on(*tags: str) -> None:
    """Declare which tags a response depends on, before its data is read; without a cached view this does nothing."""
    if _dependencies.get() is not None:
        uses(read_versions(tags))


def uses(versions: Versions) -> None:
    """As `depends_on`, with versions that were read before the data."""
    dependencies = _dependencies.get()
    if dependencies is not None:
        dependencies.versions |= versions


def valid_until(instant: datetime) -> None:
    """Declare when time alone makes a response wrong, for example when a slot that it offers begins."""
    dependencies = _dependencies.get()
    if dependencies is not None:
        dependencies.valid_until = min(instant, dependencies.valid_until or instant)


def valid_while(check: Callable[[], bool]) -> None:
    """Declare a check of data whose changes invalidate no tag; it runs at each use of the response."""
    dependencies = _dependencies.get()
    if dependencies is not None:
        dependencies.checks.append(check)


def on_reuse(record: Callable[[Actor], None]) -> None:
    """Declare what to record when the response is given again, for the audit trail."""
    dependencies = _dependencies.get()
    if dependencies is not None:
        dependencies.records.append(record)


@contextmanager
def recording_dependencies() -> Iterator[Dependencies]:
    """Around a cached view: collect the tags and times of `depends_on` and `valid_until`."""
    dependencies = Dependencies()
    token = _dependencies.set(dependencies)
    try:
        yield dependencies
    finally:
        _dependencies.reset(token)


def read_versions(tags: Iterable[str]) -> Versions:
    """The present versions of tags; a tag without a version gets one."""
    versions = _find_versions(tags)
    if missing := sorted(set(tags) - versions.keys()):
        CacheTag.collection().bulk_write([_new_version(tag, "$setOnInsert") for tag in missing])
        versions = _find_versions(tags)
    return versions


def _find_versions(tags: Iterable[str]) -> Versions:
    found = CacheTag.collection().find({"_id": {"$in": list(tags)}}, {"version": 1})
    return {row["_id"]: row["version"] for row in found}


def _new_version(tag: str, operator: str) -> UpdateOne:
    version = {"version": secrets.token_bytes(12), "changedAt": clock.now()}
    return UpdateOne({"_id": tag}, {operator: version}, upsert=True)
