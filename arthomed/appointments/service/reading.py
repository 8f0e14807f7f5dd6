"""Reading visits, and the few things about them that may be edited."""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments import calendar, rules
from arthomed.appointments.models import Appointment, visits_of
from arthomed.appointments.rules import ACTIVE, Status
from arthomed.appointments.service import trail
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Pipeline, Raw, transaction
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.core.reading import Found, Reading, count_in, cut_out
from arthomed.users.models import DOCTORS, person


def get(actor: Actor, appointment_id: ObjectId) -> Appointment:
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    trail.note_read(actor, [appointment])
    return Appointment.with_people([appointment])[0]


def event(actor: Actor, appointment_id: ObjectId) -> bytes:
    """A visit for the calendar of its patient or its doctor."""
    visit = get(actor, appointment_id)
    return calendar.to_ics(visit, visit.doctor if actor.role is Role.DOCTOR else visit.patient)


_BY_STATUS: Pipeline = [
    {"$sort": {"status": 1}},  # leads through an index, which is all that is read
    {"$group": {"_id": "$status", "count": {"$sum": 1}}},
]


def mine(patient: ObjectId, asked: PageRequest, **limits: Any) -> Reading[Page[Raw]]:
    """A patient's own visits: coming ones soonest first, others latest first."""
    when: str | None = limits.get("when")
    where, order = {"patient": patient, **_wanted(**limits)}, _order(when)
    finds = Appointment.finds_of_page(where, cut_out(asked, **order))

    def answer(found: Found) -> Page[Raw]:
        return Page.of(Appointment.put_together(found), asked, count_in(found["total"]))

    def until(told: Page[Raw]) -> datetime | None:
        if any(visit["images"] for visit in told.items):  # workers look at files, and tell nobody
            return clock.now()
        return min((visit["startsAt"] for visit in told.items), default=None) if when else None

    is_copied = when is None or (when == "upcoming" and asked.offset == 0)  # else time moves visits in unseen
    return Reading(finds, answer, (visits_of(patient), person(patient), DOCTORS) if is_copied else (), until)


def list_visits(actor: Actor, asked: PageRequest, **limits: Any) -> Page[Appointment]:
    """The visits that this person may know of, in the same order."""
    visits = Appointment.visible_to(actor).filter(__raw__=_wanted(**limits))
    order = [name if way > 0 else f"-{name}" for name, way in _order(limits.get("when")).items()]
    return _page(actor, visits.order_by(*order), asked)


def _order(when: str | None) -> dict[str, int]:
    way = 1 if when == "upcoming" else -1
    return {"startsAt": way, "_id": way}


def _wanted(
    *,
    status: Status | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    when: str | None = None,
    doctor_id: ObjectId | None = None,
    patient_id: ObjectId | None = None,
) -> Raw:
    since, until = _span(start_date, end_date, when)
    starts_at = {name: limit for name, limit in (("$gte", since), ("$lt", until)) if limit is not None}
    limits = {"status": status, "doctor": doctor_id, "patient": patient_id, "startsAt": starts_at or None}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _span(start_date: date | None, end_date: date | None, when: str | None) -> tuple[datetime | None, datetime | None]:
    """The instants between which the asked for visits start, half-open; dates are the clinic's."""
    zone = settings().policy.timezone
    since = [] if start_date is None else [clock.wall_clock(start_date, "00:00", zone)]
    until = [] if end_date is None else [clock.wall_clock(end_date + timedelta(days=1), "00:00", zone)]
    if when == "upcoming":
        since.append(clock.now())
    elif when == "past":
        until.append(clock.now())
    return max(since, default=None), min(until, default=None)


def list_pending(actor: Actor, asked: PageRequest) -> Page[Appointment]:
    """What waits for the reception, the oldest request first."""
    return _page(actor, Appointment.objects(status=Status.PENDING).order_by("created_at", "id"), asked)


def edit(actor: Actor, appointment_id: ObjectId, changes: dict[str, str | None]) -> Appointment:
    """Change what this role may change; the update is conditional on the status it was allowed for.

    Raises:
        NotFound, PermissionDenied, TooLate
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    rules.ensure_may_edit(actor, appointment, set(changes))
    edited = transaction(partial(_save, actor, appointment, changes))
    if edited is None:  # it moved on in between, so the right to edit is to be asked for again
        return edit(actor, appointment_id, changes)
    return Appointment.with_people([edited])[0]


def _save(
    actor: Actor, appointment: Appointment, changes: dict[str, str | None], session: ClientSession
) -> Appointment | None:
    edited = appointment.edit(changes, now=clock.now(), session=session)
    if edited is not None:
        trail.note_change(actor, appointment, edited, session)
    return edited


def stats(actor: Actor) -> dict[str, Any]:
    """How many visits there are by status, as far as this person may know of them."""
    rows = Appointment.visible_to(actor).aggregate(_BY_STATUS)
    by_status = dict.fromkeys(map(str, Status), 0) | {row["_id"]: row["count"] for row in rows}
    upcoming = Appointment.visible_to(actor).filter(status__in=sorted(ACTIVE), starts_at__gt=clock.now()).count()
    return {"total": sum(by_status.values()), "upcoming": upcoming, "by_status": by_status}


def _page(actor: Actor, visits: Any, asked: PageRequest) -> Page[Appointment]:
    page: Page[Appointment] = visits.page(asked)
    trail.note_read(actor, page.items)
    Appointment.with_people(list(page.items))
    return page
