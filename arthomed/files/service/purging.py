"""Each night: remove what is to be kept no longer, and find what the records and the storage don't agree on."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

import structlog

from arthomed.core import clock, metrics
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import Kind, State
from arthomed.files.service import receiving, removing, scanning
from arthomed.files.storage import FileMissing, KeyTaken, StoredFile, is_key, reaching_disk

log = structlog.get_logger()
T = TypeVar("T")

_STRAYS = "quarantine/strays"
_QUARANTINE = "quarantine/"
_BATCH = 500
_YOUNG = timedelta(hours=1)
"""What is younger may be on its way: stored and recorded a moment later, or the other way round."""
_OVERDUE = timedelta(hours=25)
"""What is doomed longer, the last purge should have removed."""


def purge() -> dict[str, int]:
    """Do all of it; killed at any point it can run again. Returns how many of each it found."""
    done = Counter[str]()
    receiving.incoming()  # or it would tell of the loss of everything when the disk is away
    done["doomed"] = _doom(clock.now())
    scanning.finish_quarantines()
    for file in File.objects(doomed_at__ne=None).no_cache():
        removing.remove(file)
        done["removed"] += 1
    done["leftovers"] = clear_incoming()
    for stray in _strays():
        log.warning("file_without_record", key=stray.key if is_key(stray.key) else "not ours")
        metrics.FILES_QUARANTINED.add("stray")
        _put_aside(stray)
        done["strays"] += 1
    done["found"] = _find_again()
    for forgotten in _long_set_aside():
        log.warning("quarantined_file_removed", key=forgotten.key)
        cabinet().storage.delete(forgotten.key)
        done["forgotten"] += 1
    for file in _without_file():
        log.error("record_without_file", file_id=str(file.id))
        metrics.FILES_QUARANTINED.add("missing")
        unchanged = {"id": file.id, "state": file.state, "key": file.key}
        done["missing"] += File.objects(**unchanged).update(set__state=State.MISSING, set__updated_at=clock.now())
    log.info("uploads_purged", **done)
    return dict(done)


def clear_incoming() -> int:
    """Remove what processes of this machine left when they died; returns how many files."""
    count = 0
    for left in _leftovers():
        with reaching_disk():
            left.unlink(missing_ok=True)
        count += 1
    return count


def check() -> Iterator[str]:
    """What is wrong with the uploads now, a line each; after a purge there is only what a person has to see to."""
    receiving.incoming()
    yield from (f"stored without a record: {stray.key}" for stray in _strays())
    yield from (f"recorded, but not stored: {file.filename}" for file in _without_file())
    for file in File.objects(state=State.MISSING, doomed_at=None).only("filename").no_cache():
        yield f"missing: {file.filename}"
    if cabinet().scanner is None:
        for file in File.objects(state=State.WAITING, doomed_at=None).only("filename").no_cache():
            yield f"waiting for a scanner, and there is none: {file.filename}"
    for left in _leftovers():
        yield f"left by a process that died: {left.name}"
    for file in File.objects(doomed_at__lt=clock.now() - _OVERDUE).only("filename").no_cache():
        yield f"to be removed, but still there: {file.filename}"


def _doom(now: datetime) -> int:
    doomed = File.doom({"attachedAt": None, "createdAt": {"$lt": now - rules.UNATTACHED_KEPT}}, now=now)
    old_files = {"kind": Kind.APPOINTMENTS, "createdAt": {"$lt": now - cabinet().retention}}
    doomed += File.doom(old_files, now=now)
    before = now - rules.CALLED_OFF_KEPT
    for kind in Kind:
        old = File.objects(kind=kind, doomed_at=None, created_at__lt=before).hint("of_record").order_by("record")
        for some in _batches(record for record, _ in groupby(old.no_cache().scalar("record"))):
            given_up = cabinet().records[kind].given_up(some, before)
            doomed += File.doom({"kind": kind, "record": {"$in": list(given_up)}}, now=now)
    return doomed


def _leftovers() -> Iterator[Path]:
    return cabinet().storage.leftovers(older_than=clock.now() - rules.UNATTACHED_KEPT)


def _strays() -> Iterator[StoredFile]:
    """What is stored, and was not a moment ago, without anybody knowing of it."""
    stored = cabinet().storage.keys(older_than=clock.now() - _YOUNG)
    return _unknown(one for one in stored if not one.key.startswith(_QUARANTINE))


def _long_set_aside() -> Iterator[StoredFile]:
    """Strays that nobody has looked for, and harmful files whose records are gone."""
    stored = cabinet().storage.keys(_QUARANTINE, older_than=clock.now() - rules.SET_ASIDE_KEPT)
    return _unknown(one for one in stored if is_key(one.key))


def _unknown(stored: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """Those of which there is no record, neither under their key nor under the one from which they were put aside."""
    for some in _batches(stored):
        keys = [name for one in some for name in _names(one)]
        known = {key for file in File.objects(__raw__=_of_keys(keys)) for key in file.keys}
        yield from (one for one in some if known.isdisjoint(_names(one)))


def _names(one: StoredFile) -> set[str]:
    return {one.key, one.key.removeprefix(f"{_STRAYS}/")}


def _of_keys(keys: Sequence[str]) -> dict[str, object]:
    return {"$or": [{"key": {"$in": keys}}, {"thumbnail": {"$in": keys}}]}


def _put_aside(stray: StoredFile) -> None:
    """Keep it for somebody to look at; what was not named by us stays where it is."""
    if is_key(stray.key) and is_key(f"{_STRAYS}/{stray.key}"):
        with suppress(FileMissing, KeyTaken):  # what is no file is listed, too; a second one of its name stays
            cabinet().storage.move(stray.key, f"{_STRAYS}/{stray.key}")


def _without_file() -> Iterator[File]:
    """By folder: one list of what is stored in it is quicker than a question for each file."""
    settled = File.objects(doomed_at=None, state__ne=State.MISSING, created_at__lt=clock.now() - _YOUNG)
    for folder, files in groupby(settled.hint("key_once").order_by("key").no_cache(), lambda file: file.folder):
        sizes = {one.key: one.size for one in cabinet().storage.keys(folder, older_than=clock.now())}
        for file in files:
            is_listed = sizes.get(file.key) == file.size and sizes.keys() >= set(file.keys)
            if not is_listed and not cabinet().holds(file):
                yield file


def _find_again() -> int:
    """Files whose disk was away, that were restored, or put aside while their records were.

    They are looked at anew before anybody may read them.
    """
    state, found = State.WAITING if cabinet().scanner else State.READY, 0
    missing = File.objects(state=State.MISSING, signature=None, doomed_at=None)  # what was harmful stays so
    for file in missing.no_cache():
        _bring_back(file)
        if cabinet().holds(file):
            found += File.objects(id=file.id, state=State.MISSING).update(set__state=state, set__updated_at=clock.now())
    return found


def _bring_back(file: File) -> None:
    for key in file.keys:
        with suppress(FileMissing, KeyTaken):
            cabinet().storage.move(f"{_STRAYS}/{key}", key)


def _batches(found: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(found)
    while some := list(islice(rest, _BATCH)):
        yield some
