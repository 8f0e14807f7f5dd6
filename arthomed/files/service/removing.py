"""Remove files: doomed first, so that they are gone for people whatever happens, then from the storage."""

from collections.abc import Collection

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action
from arthomed.audit.models import Kind as Audited
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import State


def delete(actor: Actor, filename: str) -> None:
    """Delete a file for good.

    Raises:
        NotFound: there is none that this person may know of.
        PermissionDenied: it is not theirs to delete.
        StorageUnavailable: it is gone for everybody, but the purge has to finish it.
    """
    file: File | None = File.there().filter(filename=filename).first()
    if file is None:
        raise NotFound
    records = cabinet().records[file.kind]
    records.ensure_may_read(actor, file)

    def work(session: ClientSession) -> None:
        records.ensure_may_delete(actor, file, session)
        if not File.doom({"_id": file.id}, now=clock.now(), session=session):
            raise NotFound
        audit.record_change(actor, Action.DELETE, Audited.FILE, file.id, subject=file.owner, session=session)

    transaction(work)
    remove(file)


def remove(file: File) -> None:
    """Remove a doomed file from the storage, and then its record; may be cut off and done again."""
    cabinet().records[file.kind].forget(file)
    for key in file.keys:
        cabinet().storage.delete(key)
        if file.state is not State.READY:  # a scanner may just have moved it
            cabinet().storage.delete(rules.quarantined(key))
    File.collection().delete_one({"_id": file.id, "doomedAt": {"$ne": None}})


def doom_all(kind: str, records: Collection[ObjectId], session: ClientSession) -> None:
    """Doom all that is attached to records, for the purge to remove."""
    attached = {"kind": kind, "record": {"$in": list(records)}, "attachedAt": {"$ne": None}}
    File.doom(attached, now=clock.now(), session=session)
