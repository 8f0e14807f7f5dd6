"""Reads the audit trail: all of it, or the access log of one person."""

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
    """An audit event and the user who acted; None for the system."""

    event: AuditEvent
    by: User | None


def access_log(user_id: ObjectId, page_request: PageRequest) -> Page[Access]:
    """Every access to a person's records."""
    return _page_with_actors(audit.events(page_request, subjects=user_id))


def read(actor: Actor, page_request: PageRequest, /, **filters: ObjectId) -> Page[Access]:
    """The audit trail, filtered by person, record or actor. Reading it is recorded, too."""
    page = audit.events(page_request, **filters)
    people = [filters[name] for name in ("subjects", "actor") if name in filters]
    audit.record_search(actor, Kind.AUDIT_TRAIL, page_request.filters, found=page.pagination.total, subjects=people)
    subjects = {subject for event in page.items for subject in event.subjects}
    audit.record_read(actor, Kind.AUDIT_TRAIL, [event.id for event in page.items], subjects)
    return _page_with_actors(page)


def with_actors(events: Sequence[AuditEvent]) -> list[Access]:
    """Load the users who acted, with one query for all events."""
    people = User.by_id(event.actor for event in events if event.actor)
    return [Access(event, people.get(event.actor)) for event in events]


def _page_with_actors(page: Page[AuditEvent]) -> Page[Access]:
    return Page(with_actors(page.items), page.pagination)
