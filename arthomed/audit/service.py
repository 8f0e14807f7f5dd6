"""Record and list who read or changed which records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import repeated
from arthomed.audit.models import Action, AuditEvent, Kind, Search
from arthomed.audit.writer import AuditWriter
from arthomed.core import cache, clock, origin
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw
from arthomed.core.paging import Page, PageRequest

_IGNORED_FIELDS = {"updatedAt", "search"}  # the one differs in every change, the other follows from other fields
_screen: ContextVar[tuple[str, bool] | None] = ContextVar("screen", default=None)


@contextmanager
def reads_of_screen(name: str, *, is_opened: bool = False) -> Iterator[None]:
    """Around the reads of a screen that is polled.

    Opening it records all of them, a poll records what is new to its session.
    """
    token = _screen.set((name, is_opened))
    try:
        yield
    finally:
        _screen.reset(token)


def record_read(actor: Actor, kind: Kind, records: Iterable[ObjectId], subjects: Iterable[ObjectId]) -> None:
    """Record in the background that the actor read records about other people.

    Reading one's own records is not recorded, except for files. Each read of the audit trail is recorded: the words of
    searches in it name people who are no subjects.
    """
    ids = list(records)
    others = sorted(set(subjects) if kind is Kind.FILE else set(subjects) - {actor.user_id})
    if not others and not (ids and kind is Kind.AUDIT_TRAIL):
        return
    if (screen := _screen.get()) is not None:
        name, is_opened = screen
        cache.on_reuse(partial(_record_reuse, name=name, kind=kind, records=ids, subjects=others))
        _, new = repeated.recorded.add((actor.session_id, name), ids, clock.now())
        if not is_opened:
            ids = new
            if not ids:
                return
    _writer.put(_event(actor, Action.READ, kind, ids, others).to_mongo())


def _record_reuse(
    actor: Actor, *, name: str, kind: Kind, records: Sequence[ObjectId], subjects: Sequence[ObjectId]
) -> None:
    """A cached answer to a poll is given again, perhaps to another session of the user."""
    with reads_of_screen(name):
        record_read(actor, kind, records, subjects)


def record_search(
    actor: Actor, kind: Kind, filters: Mapping[str, object], *, found: int, subjects: Iterable[ObjectId] = ()
) -> None:
    """Record in the background what the actor searched for, and how many records matched; does nothing without filters.

    A response tells the number of matches even when it shows none of them, as a page beyond the last one does.
    """
    if filters:
        event = _event(actor, Action.SEARCH, kind, (), sorted(set(subjects) - {actor.user_id}))
        event.search = Search(filters=dict(filters), found=found)
        _writer.put(event.to_mongo())


def record_change(
    actor: Actor,
    action: Action,
    kind: Kind,
    *records: ObjectId,
    subject: ObjectId,
    session: ClientSession | None,
    changes: Iterable[Raw] = (),
) -> None:
    """Record a change, in the same transaction if it has one, so that either both are stored or none."""
    insert_events([change_event(actor, action, kind, *records, subject=subject, changes=changes)], session)


def change_event(
    actor: Actor,
    action: Action,
    kind: Kind,
    *records: ObjectId,
    subject: ObjectId,
    changes: Iterable[Raw] = (),
) -> AuditEvent:
    """The audit event of a change, for `insert_events`."""
    return _event(actor, action, kind, records, [subject], changes)


def insert_events(events: Sequence[AuditEvent], session: ClientSession | None) -> None:
    """Record several changes with one insert, in their transaction."""
    AuditEvent.insert_all(events, session)


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> list[Raw]:
    """Each stored field that differs, by its dotted path, with its old and new value."""
    found: list[Raw] = []
    for name in sorted((before.keys() | after.keys()) - _IGNORED_FIELDS):
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{path}{name}.")
        elif old != new:
            found.append({"field": path + name, "from": old, "to": new})
    return found


def events(page_request: PageRequest, /, **filters: ObjectId) -> Page[AuditEvent]:
    """A page of the audit trail, the newest event first; each filter is `subjects`, `actor` or `records` with an id."""
    page: Page[AuditEvent] = AuditEvent.objects(**filters).order_by("-at", "-id").page(page_request)
    return page


def flush() -> None:
    """Wait until the events of all reads so far are stored."""
    _writer.flush()


def _event(
    actor: Actor,
    action: Action,
    kind: Kind,
    records: Iterable[ObjectId],
    subjects: Iterable[ObjectId],
    changes: Iterable[Raw] = (),
) -> AuditEvent:
    source = origin.current()
    return AuditEvent(
        id=ObjectId(),
        at=clock.now(),
        actor=actor.user_id,
        role=actor.role,
        session=actor.session_id,
        address=source.address,
        request_id=source.request_id,
        action=action,
        kind=kind,
        records=list(records),
        subjects=list(subjects),
        changes=list(changes),
    )


_writer = AuditWriter(AuditEvent.collection)
