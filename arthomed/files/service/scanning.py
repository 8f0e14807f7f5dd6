"""Scan files for malware before anyone may download them."""

from contextlib import closing, suppress
from datetime import timedelta

import structlog
from bson import ObjectId

from arthomed.core import clock, metrics
from arthomed.files import file_store
from arthomed.files.file_store import ScannerUnavailable
from arthomed.files.models import File
from arthomed.files.rules import INFECTED_FOLDER, State, quarantine_key
from arthomed.files.storage import FileMissing, StorageUnavailable

log = structlog.get_logger()

_SWEEP_AFTER = timedelta(minutes=1)
_SWEEP_LIMIT = 100
_MAX_FAILURES = 3


def scan(file_id: ObjectId) -> State | None:
    """Scan a waiting file; returns its new state, or None if there was no verdict and the sweeper has to retry."""
    file: File | None = File.objects(id=file_id, state=State.WAITING, marked_for_deletion_at=None).first()
    scanner, storage = file_store.current().scanner, file_store.current().storage
    if file is None or scanner is None:
        return None
    try:
        with closing(storage.open(file.key)) as content:
            verdict = scanner.scan(content)
    except (ScannerUnavailable, StorageUnavailable) as error:
        log.warning("file_not_scanned", file_id=str(file_id), error=type(error).__name__)
        return None
    except FileMissing:
        log.error("file_missing", file_id=str(file_id))  # noqa: TRY400  the nightly purge handles it
        return None
    if verdict.signature is None:
        File.set_scan_result(file_id, State.READY, now=clock.now())
        return State.READY
    _quarantine(file, verdict.signature)
    return State.INFECTED


def sweep() -> int:
    """Scan files whose scan job was lost or failed; returns how many were scanned."""
    waiting = {"state": State.WAITING, "marked_for_deletion_at": None, "updated_at__lt": clock.now() - _SWEEP_AFTER}
    file_ids = File.available().filter(**waiting).order_by("updated_at").limit(_SWEEP_LIMIT).scalar("id")
    scanned = failures = 0
    for file_id in file_ids if file_store.current().scanner else ():
        if scan(file_id) is not None:
            scanned += 1
            continue
        # The next sweep starts with other files.
        File.objects(id=file_id, state=State.WAITING).update(set__updated_at=clock.now())
        failures += 1
        if failures == _MAX_FAILURES:  # the scanner is unavailable
            break
    return scanned


def finish_quarantines() -> None:
    """Move infected files to quarantine if the process that scanned them died before it moved them."""
    infected = File.objects(state=State.INFECTED, key__not__startswith=INFECTED_FOLDER, marked_for_deletion_at=None)
    for file in infected.no_cache():
        try:
            _move_to_quarantine(file)
        except FileMissing:  # perhaps another scanner of the machine removed it
            log.error("file_missing", file_id=str(file.id))  # noqa: TRY400  the nightly purge handles it


def _quarantine(file: File, signature: str) -> None:
    """Mark a file as infected, which makes it unreadable at once, then move it."""
    if File.set_scan_result(file.id, State.INFECTED, now=clock.now(), signature=signature):
        log.error("file_infected", file_id=str(file.id), uploader=str(file.uploader), signature=signature)
        metrics.FILES_QUARANTINED.add("infected")
    with suppress(FileMissing):  # deleted in the meantime
        _move_to_quarantine(file)


def _move_to_quarantine(file: File) -> None:
    for field, key in (("key", file.key), ("thumbnail", file.thumbnail)):
        if key and (new_key := quarantine_key(key)) != key:
            file_store.current().storage.move(key, new_key)
            File.objects(id=file.id).update(**{f"set__{field}": new_key})
