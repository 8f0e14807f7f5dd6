"""Reading appointments, and editing the few fields that may be edited."""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments import calendar, rules
from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.appointments.rules import ACTIVE, Status
from arthomed.appointments.service import trail
from arthomed.config import settings
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Pipeline, Raw, transaction
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.users.models import DOCTORS_TAG, user_tag


def get(actor: Actor, appointment_id: ObjectId) -> Appointment:
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    trail.note_read(actor, [appointment])
    return Appointment.with_people([appointment])[0]


def event(actor: Actor, appointment_id: ObjectId) -> bytes:
    """An appointment for the calendar of its patient or its doctor."""
    appointment = get(actor, appointment_id)
    reader = appointment.doctor if actor.role is Role.DOCTOR else appointment.patient
    return calendar.to_ics(appointment, reader)


_BY_STATUS: Pipeline = [
    {"$sort": {"status": 1}},  # makes MongoDB read nothing but an index
    {"$group": {"_id": "$status", "count": {"$sum": 1}}},
]


def list_mine(actor: Actor, asked: PageRequest, **limits: Any) -> Page[Appointment]:
    """A patient's own appointments: coming ones soonest first, others latest first."""
    when: str | None = limits.get("when")
    if when is None or (when == "upcoming" and asked.offset == 0):  # time moves appointments into the other pages
        cache.depends_on(appointments_tag(actor.signed_in_user_id), user_tag(actor.signed_in_user_id), DOCTORS_TAG)
    page = _list(Appointment.objects(patient_id=actor.signed_in_user_id), asked, limits)
    for appointment in page.items:
        if appointment.images:  # a worker changes the state of a file, and invalidates no tag
            cache.valid_until(clock.now())
        if when is not None:
            cache.valid_until(appointment.starts_at)
    return page


def list_appointments(actor: Actor, asked: PageRequest, **limits: Any) -> Page[Appointment]:
    """The appointments that this user may see, in the same order."""
    page = _list(Appointment.visible_to(actor), asked, limits)
    trail.note_read(actor, page.items)
    return page


def _list(appointments: Any, asked: PageRequest, limits: dict[str, Any]) -> Page[Appointment]:
    order = [name if way > 0 else f"-{name}" for name, way in _order(limits.get("when")).items()]
    page: Page[Appointment] = appointments.filter(__raw__=_wanted(**limits)).order_by(*order).page(asked)
    Appointment.with_people(list(page.items))
    return page


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
    """The half-open interval in which the appointments start; dates are the clinic's."""
    zone = settings().policy.timezone
    since = [] if start_date is None else [clock.wall_clock(start_date, "00:00", zone)]
    until = [] if end_date is None else [clock.wall_clock(end_date + timedelta(days=1), "00:00", zone)]
    if when == "upcoming":
        since.append(clock.now())
    elif when == "past":
        until.append(clock.now())
    return max(since, default=None), min(until, default=None)


def list_pending(actor: Actor, asked: PageRequest) -> Page[Appointment]:
    """The appointments that wait for confirmation, the oldest request first."""
    page: Page[Appointment] = Appointment.objects(status=Status.PENDING).order_by("created_at", "id").page(asked)
    trail.note_read(actor, page.items)
    Appointment.with_people(list(page.items))
    return page


def edit(actor: Actor, appointment_id: ObjectId, changes: dict[str, str | None]) -> Appointment:
    """Change the fields that this role may change; the update is conditional on the status.

    Raises:
        NotFound, PermissionDenied, TooLate
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    rules.ensure_may_edit(actor, appointment, set(changes))
    edited = transaction(partial(_save, actor, appointment, changes))
    if edited is None:  # its status changed in between, and with it perhaps the right to edit
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
    """The number of appointments by status, among those that this user may see."""
    rows = Appointment.visible_to(actor).aggregate(_BY_STATUS)
    by_status = dict.fromkeys(map(str, Status), 0) | {row["_id"]: row["count"] for row in rows}
    upcoming = Appointment.visible_to(actor).filter(status__in=sorted(ACTIVE), starts_at__gt=clock.now()).count()
    return {"total": sum(by_status.values()), "upcoming": upcoming, "by_status": by_status}
