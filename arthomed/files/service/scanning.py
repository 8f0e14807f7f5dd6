"""Have files looked at before anybody may read them."""

from contextlib import closing, suppress
from datetime import timedelta

import structlog
from bson import ObjectId

from arthomed.core import clock, metrics
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import QUARANTINE, State, quarantined
from arthomed.files.scanner import ScannerUnavailable
from arthomed.files.storage import FileMissing, StorageUnavailable

log = structlog.get_logger()

_SWEEP_AFTER = timedelta(minutes=1)
_SWEEP_LIMIT = 100
_MOST_FAILURES = 3


def scan(file_id: ObjectId) -> State | None:
    """Ask the scanner about a waiting file; None when nobody could tell, which is asked again later."""
    file: File | None = File.objects(id=file_id, state=State.WAITING, doomed_at=None).first()
    scanner, storage = cabinet().scanner, cabinet().storage
    if file is None or scanner is None:
        return None
    try:
        with closing(storage.open(file.key)) as stored:
            verdict = scanner.scan(stored)
    except (ScannerUnavailable, StorageUnavailable) as error:
        log.warning("file_not_scanned", file_id=str(file_id), error=type(error).__name__)
        return None
    except FileMissing:
        log.error("file_missing", file_id=str(file_id))  # noqa: TRY400  the purge settles it
        return None
    if verdict.signature is None:
        File.settle(file_id, State.READY, now=clock.now())
        return State.READY
    _quarantine(file, verdict.signature)
    return State.INFECTED


def sweep() -> int:
    """Have looked at what was not scanned; returns how many were."""
    waiting = {"state": State.WAITING, "doomed_at": None, "updated_at__lt": clock.now() - _SWEEP_AFTER}
    found = File.there().filter(**waiting).order_by("updated_at").limit(_SWEEP_LIMIT).scalar("id")
    done = failed = 0
    for file_id in found if cabinet().scanner else ():
        if scan(file_id) is not None:
            done += 1
            continue
        File.objects(id=file_id, state=State.WAITING).update(set__updated_at=clock.now())  # others come first then
        failed += 1
        if failed == _MOST_FAILURES:  # the scanner is away
            break
    return done


def finish_quarantines() -> None:
    """Move what was found harmful by a process that died before it moved it."""
    harmful = File.objects(state=State.INFECTED, key__not__startswith=QUARANTINE, doomed_at=None)
    for file in harmful.no_cache():
        try:
            _put_away(file)
        except FileMissing:  # perhaps another scanner of the machine took it
            log.error("file_missing", file_id=str(file.id))  # noqa: TRY400  the purge settles it


def _quarantine(file: File, signature: str) -> None:
    """Keep a harmful file where nobody reads it; once its record says so nobody does, wherever it is."""
    if File.settle(file.id, State.INFECTED, now=clock.now(), signature=signature):
        log.error("file_infected", file_id=str(file.id), uploader=str(file.uploader), signature=signature)
        metrics.FILES_QUARANTINED.add("infected")
    with suppress(FileMissing):  # it was deleted meanwhile
        _put_away(file)


def _put_away(file: File) -> None:
    for name, key in (("key", file.key), ("thumbnail", file.thumbnail)):
        if key and (kept := quarantined(key)) != key:
            cabinet().storage.move(key, kept)
            File.objects(id=file.id).update(**{f"set__{name}": kept})
