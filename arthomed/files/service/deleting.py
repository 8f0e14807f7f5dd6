"""Delete files: mark them first, which hides them from users at once, then delete them from the storage."""

from collections.abc import Callable, Collection

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action
from arthomed.audit.models import Kind as Audited
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound
from arthomed.files import file_store, rules
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.files.storage import FileMissing


def delete(actor: Actor, filename: str, *, require_match: Callable[[Collection[str]], None] | None = None) -> None:
    """Delete a file permanently.

    `require_match` raises an error if the caller means a file with another ETag than these.

    Raises:
        NotFound: no such file that the actor may read.
        PermissionDenied: the actor may read the file, but not delete it.
        StorageUnavailable: the file is hidden from all users, and the nightly purge deletes it.
    """
    file: File | None = File.available().filter(filename=filename).first()
    if file is None:
        raise NotFound
    policy = file_store.current().policies[file.kind]
    policy.ensure_may_read(actor, file)

    def work(session: ClientSession) -> None:
        policy.ensure_may_delete(actor, file, session)
        if require_match is not None:
            require_match(_etags(file))
        if not File.mark_for_deletion({"_id": file.id}, now=clock.now(), session=session):
            raise NotFound
        audit.record_change(actor, Action.DELETE, Audited.FILE, file.id, subject=file.owner, session=session)

    transaction(work)
    delete_marked(file)


def _etags(file: File) -> list[str]:
    """The ETags of a file: the application's, and that of the web server or the bucket that sends it."""
    try:
        return [file.sha256, file_store.current().storage.stat(file.key).etag]
    except FileMissing:
        return [file.sha256]


def delete_marked(file: File) -> None:
    """Delete a file that is marked for deletion from the storage, then its metadata; can be repeated."""
    store = file_store.current()
    store.policies[file.kind].remove_reference(file)
    for key in file.keys:
        store.storage.delete(key)
        if file.state is not State.READY:  # a scan may just have moved the file to quarantine
            store.storage.delete(rules.quarantine_key(key))
    File.objects(id=file.id, marked_for_deletion_at__ne=None).delete()


def mark_files_of(kind: str, records: Collection[ObjectId], session: ClientSession) -> None:
    """Mark all attached files of some records for deletion; the nightly purge deletes them."""
    attached = {"kind": kind, "record": {"$in": list(records)}, "attachedAt": {"$ne": None}}
    File.mark_for_deletion(attached, now=clock.now(), session=session)
