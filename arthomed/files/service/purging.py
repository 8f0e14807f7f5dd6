"""The nightly purge: delete expired files, and repair differences between the metadata and the storage."""

from datetime import datetime
from itertools import groupby

import structlog

from arthomed.core import clock
from arthomed.files import file_store, rules
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.files.service import deleting, scanning, uploading
from arthomed.files.storage import translate_disk_errors

log = structlog.get_logger()


def purge() -> dict[str, int]:
    """Run the whole purge; a killed purge can be run again. Returns the number of files by what happened to them."""
    uploading.incoming_folder()  # if the disk is not mounted, this fails before all files are marked as missing
    counts = {"expired": _mark_expired(clock.now())}
    scanning.finish_quarantines()
    counts |= {
        "deleted": _delete_marked(),
        "leftovers": clear_incoming(),
        "strays": integrity.quarantine_strays(),
        "restored": integrity.restore_missing_files(),
        "unclaimed": integrity.delete_unclaimed_quarantine(),
        "missing": integrity.mark_missing_files(),
    }
    log.info("uploads_purged", **counts)
    return counts


def clear_incoming() -> int:
    """Delete the files that killed processes of this machine left in `incoming`; returns how many."""
    count = 0
    for path in file_store.current().storage.leftovers(older_than=clock.now() - rules.UNATTACHED_RETENTION):
        with translate_disk_errors():
            path.unlink(missing_ok=True)
        count += 1
    return count


def _mark_expired(now: datetime) -> int:
    """Mark files for deletion that were never attached, or whose retention is over; returns how many."""
    marked = File.mark_for_deletion(
        {"attachedAt": None, "createdAt": {"$lt": now - rules.UNATTACHED_RETENTION}}, now=now
    )
    old_files = {"kind": Kind.APPOINTMENTS, "createdAt": {"$lt": now - file_store.current().retention}}
    return marked + File.mark_for_deletion(old_files, now=now) + _mark_files_of_cancelled_records(now)


def _mark_files_of_cancelled_records(now: datetime) -> int:
    marked, before = 0, now - rules.CANCELLED_RETENTION
    for kind, policy in file_store.current().policies.items():
        old = File.objects(kind=kind, marked_for_deletion_at=None, created_at__lt=before)
        records = old.hint("of_record").order_by("record").no_cache().scalar("record")
        for batch in integrity.batches(record for record, _ in groupby(records)):
            cancelled = policy.cancelled_before(batch, before)
            marked += File.mark_for_deletion({"kind": kind, "record": {"$in": list(cancelled)}}, now=now)
    return marked


def _delete_marked() -> int:
    count = 0
    for file in File.objects(marked_for_deletion_at__ne=None).no_cache():
        deleting.delete_marked(file)
        count += 1
    return count
