"""Who read or changed whose record."""

from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent, Kind
from arthomed.core.actor import Actor
from arthomed.core.paging import Page, PageRequest
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class Access:
    """One event and the person who acted; None for the system."""

    event: AuditEvent
    by: User | None


def about(user_id: ObjectId, asked: PageRequest) -> Page[Access]:
    """What was done with a person's records."""
    return _named(audit.events(asked, subjects=user_id))


def read(by: Actor, asked: PageRequest, **wanted: ObjectId) -> Page[Access]:
    """The whole trail, or what of it is about a person, a record, or an actor; noted itself."""
    page = audit.events(asked, **wanted)
    subjects = {subject for event in page.items for subject in event.subjects}
    audit.record_read(by, Kind.AUDIT_TRAIL, [event.id for event in page.items], subjects)
    return _named(page)


def with_names(events: Sequence[AuditEvent]) -> list[Access]:
    """The same events with who acted, in one query for all of them."""
    people = User.by_id(event.actor for event in events if event.actor)
    return [Access(event, people.get(event.actor)) for event in events]


def _named(page: Page[AuditEvent]) -> Page[Access]:
    return Page(with_names(page.items), page.pagination)
