"""Note and show who read or changed whose record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.audit.writer import Writer
from arthomed.core import clock, origin
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw
from arthomed.core.paging import Page, PageRequest

_NO_CHANGE = "updatedAt"  # follows from the others


def note_read(actor: Actor, kind: Kind, records: Iterable[ObjectId], subjects: Iterable[ObjectId]) -> None:
    """Note, soon, that somebody read records about other people; one's own are one's own business, but for files.

    The caller does not wait for it: see `writer`.
    """
    noted = sorted(set(subjects) - (set() if kind is Kind.FILE else {actor.user_id}))
    if noted:
        _writer.put(_event(actor, Action.READ, kind, list(records), noted))


def note_change(
    actor: Actor,
    action: Action,
    kind: Kind,
    *records: ObjectId,
    subject: ObjectId,
    session: ClientSession | None,
    changes: Iterable[Raw] = (),
) -> None:
    """Note a change in its transaction, where it has one, so that there is never one without the other."""
    note([change(actor, action, kind, *records, subject=subject, changes=changes)], session)


def change(
    actor: Actor,
    action: Action,
    kind: Kind,
    *records: ObjectId,
    subject: ObjectId,
    changes: Iterable[Raw] = (),
) -> Raw:
    """The event of a change, to be noted with it."""
    return {**_event(actor, action, kind, list(records), [subject]), "changes": list(changes)}


def note(events: Sequence[Raw], session: ClientSession | None) -> None:
    """Note several changes at once, in their transaction."""
    AuditEvent.collection().insert_many(events, session=session)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[Raw]:
    """Old and new values of the stored fields that are not the same, by dotted path."""
    found: list[Raw] = []
    for name in sorted((before.keys() | after.keys()) - {_NO_CHANGE}):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{path}{name}.")
        elif old != new:
            found.append({"field": path + name, "from": old, "to": new})
    return found


def events(asked: PageRequest, **wanted: ObjectId) -> Page[AuditEvent]:
    """The trail, the newest first; `wanted` are `subjects`, `actor` or `records` with an id each."""
    page: Page[AuditEvent] = AuditEvent.objects(**wanted).order_by("-at", "-id").page(asked)
    return page


def flush() -> None:
    """Wait until all that was read is noted."""
    _writer.flush()


def _event(actor: Actor, action: Action, kind: Kind, records: list[ObjectId], subjects: list[ObjectId]) -> Raw:
    source = origin.current()
    return {
        "_id": ObjectId(),
        "at": clock.now(),
        "actor": actor.user_id,
        "role": actor.role,
        "session": actor.session_id,
        "address": source.address,
        "requestId": source.request_id,
        "action": action,
        "kind": kind,
        "records": records,
        "subjects": subjects,
    }


_writer = Writer(AuditEvent.collection)
