"""Compare the metadata in MongoDB with the stored files, report the differences, and repair them each night.

A **stray** is a stored file without metadata; the purge moves it to quarantine. A **missing** file has metadata, but no
content of the recorded size; the purge marks it, and restores it once its content is back.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import groupby, islice
from typing import TypeVar

import structlog

from arthomed.core import clock, metrics
from arthomed.files import file_store, rules
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.files.service import uploading
from arthomed.files.storage import FileMissing, KeyTaken, StoredFile, is_key

log = structlog.get_logger()
T = TypeVar("T")

_STRAYS_FOLDER = "quarantine/strays"
_QUARANTINE_PREFIX = "quarantine/"
_BATCH_SIZE = 500
_GRACE_PERIOD = timedelta(hours=1)
"""Younger files may be in the middle of an upload, stored but without metadata or the other way round."""
_DELETION_OVERDUE = timedelta(hours=25)
"""The last nightly purge should have deleted files that are marked for longer."""


def check() -> Iterator[str]:
    """Report each problem in one line; after a purge only problems that need an administrator remain."""
    uploading.incoming_folder()  # fails if the disk is not mounted
    yield from file_store.current().storage.ownership_problems()
    yield from (f"stored without a record: {stray.key}" for stray in _strays())
    yield from (f"recorded, but not stored: {file.filename}" for file in _files_without_content())
    for file in File.objects(state=State.MISSING, marked_for_deletion_at=None).only("filename").no_cache():
        yield f"missing: {file.filename}"
    if file_store.current().scanner is None:
        for file in File.objects(state=State.WAITING, marked_for_deletion_at=None).only("filename").no_cache():
            yield f"waiting for a scanner, and there is none: {file.filename}"
    for path in file_store.current().storage.leftovers(older_than=clock.now() - rules.UNATTACHED_RETENTION):
        yield f"left by a process that died: {path.name}"
    overdue = clock.now() - _DELETION_OVERDUE
    for file in File.objects(marked_for_deletion_at__lt=overdue).only("filename").no_cache():
        yield f"to be removed, but still there: {file.filename}"


def quarantine_strays() -> int:
    """Move strays to quarantine, where an administrator can inspect them; returns how many were found."""
    count = 0
    for stray in _strays():
        log.warning("file_without_record", key=stray.key if is_key(stray.key) else "not ours")
        metrics.FILES_QUARANTINED.add("stray")
        _move_to_quarantine(stray)
        count += 1
    return count


def restore_missing_files() -> int:
    """Restore missing files whose content is back, such as after the disk was mounted again; returns how many.

    The scanner scans them again before anyone may download them. Infected files stay missing.
    """
    store = file_store.current()
    state, count = State.WAITING if store.scanner else State.READY, 0
    missing = File.objects(state=State.MISSING, signature=None, marked_for_deletion_at=None)
    for file in missing.no_cache():
        _move_back_from_quarantine(file)
        if store.has_content_of(file):
            changes = {"set__state": state, "set__updated_at": clock.now()}
            count += File.objects(id=file.id, state=State.MISSING).update(**changes)
    return count


def delete_unclaimed_quarantine() -> int:
    """Delete quarantined files without metadata (strays, and infected files of deleted records) after 30 days."""
    storage, count = file_store.current().storage, 0
    quarantined = storage.list_files(_QUARANTINE_PREFIX, older_than=clock.now() - rules.QUARANTINE_RETENTION)
    for unclaimed in _without_metadata(stored for stored in quarantined if is_key(stored.key)):
        log.warning("quarantined_file_removed", key=unclaimed.key)
        storage.delete(unclaimed.key)
        count += 1
    return count


def mark_missing_files() -> int:
    """Mark files as missing that have no content; returns how many."""
    count = 0
    for file in _files_without_content():
        log.error("record_without_file", file_id=str(file.id))
        metrics.FILES_QUARANTINED.add("missing")
        unchanged = File.objects(id=file.id, state=file.state, key=file.key)
        count += unchanged.update(set__state=State.MISSING, set__updated_at=clock.now())
    return count


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, _BATCH_SIZE)):
        yield batch


def _strays() -> Iterator[StoredFile]:
    stored = file_store.current().storage.list_files(older_than=clock.now() - _GRACE_PERIOD)
    return _without_metadata(one for one in stored if not one.key.startswith(_QUARANTINE_PREFIX))


def _without_metadata(stored: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """The stored files whose key, or key before the quarantine, no File has."""
    for batch in batches(stored):
        keys = [key for one in batch for key in _possible_keys(one)]
        having_one = {"$or": [{"key": {"$in": keys}}, {"thumbnail": {"$in": keys}}]}
        known = {key for file in File.objects(__raw__=having_one) for key in file.keys}
        yield from (one for one in batch if known.isdisjoint(_possible_keys(one)))


def _possible_keys(stored: StoredFile) -> set[str]:
    return {stored.key, stored.key.removeprefix(f"{_STRAYS_FOLDER}/")}


def _move_to_quarantine(stray: StoredFile) -> None:
    """Files with names that the application does not create stay where they are."""
    if is_key(stray.key) and is_key(f"{_STRAYS_FOLDER}/{stray.key}"):
        with suppress(FileMissing, KeyTaken):  # symbolic links are listed, too; a second stray of the same key stays
            file_store.current().storage.move(stray.key, f"{_STRAYS_FOLDER}/{stray.key}")


def _move_back_from_quarantine(file: File) -> None:
    for key in file.keys:
        with suppress(FileMissing, KeyTaken):
            file_store.current().storage.move(f"{_STRAYS_FOLDER}/{key}", key)


def _files_without_content() -> Iterator[File]:
    """Compare folder by folder: listing a folder is faster than one request for each file."""
    store = file_store.current()
    settled = File.objects(
        marked_for_deletion_at=None, state__ne=State.MISSING, created_at__lt=clock.now() - _GRACE_PERIOD
    )
    for folder, files in groupby(settled.hint("key_once").order_by("key").no_cache(), lambda file: file.folder):
        sizes = {one.key: one.size for one in store.storage.list_files(folder, older_than=clock.now())}
        for file in files:
            is_listed = sizes.get(file.key) == file.size and sizes.keys() >= set(file.keys)
            if not is_listed and not store.has_content_of(file):
                yield file
