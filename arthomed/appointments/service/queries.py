"""Read and list appointments, and edit the fields that a role may edit."""

from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments import access, calendar
from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.appointments.rules import ACTIVE, TREATED, Status
from arthomed.appointments.service import audit_trail
from arthomed.appointments.stages import Stage
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.config import settings
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Pipeline, Raw, transaction
from arthomed.core.paging import Page, PageRequest
from arthomed.files.models import File
from arthomed.notifications.states import MessageStates
from arthomed.users.models import DOCTORS_TAG, user_tag

_MAX_EARLIER = 10


def get(actor: Actor, appointment_id: ObjectId) -> Appointment:
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    audit_trail.record_read(actor, [appointment])
    return Appointment.with_people([appointment])[0]


def get_live(actor: Actor, appointment_id: ObjectId) -> Appointment:
    """As `get`, for a page that is polled: also declares what it depends on."""
    patient: ObjectId = Appointment.visible_to(actor).require(appointment_id).patient_id
    cache.depends_on(DOCTORS_TAG, appointments_tag(patient), user_tag(patient))
    cache.valid_while(MessageStates([appointment_id]).are_current)
    appointment = get(actor, appointment_id)
    File.follow({file.id: file.state for file in appointment.images})
    if appointment.in_queue and appointment.in_queue.stage is Stage.SKIPPED:  # others go before, without a tag
        cache.valid_until(clock.now())
    return appointment


def to_ics(actor: Actor, appointment_id: ObjectId) -> bytes:
    """An appointment as an iCalendar file for its patient or its doctor."""
    appointment: Appointment = Appointment.of(actor.signed_in_user_id).require(appointment_id)
    audit_trail.record_read(actor, [appointment])
    Appointment.with_people([appointment])
    reader = appointment.doctor if actor.user_id == appointment.doctor_id else appointment.patient
    return calendar.to_ics(appointment, reader)


_BY_STATUS: Pipeline = [
    {"$sort": {"status": 1}},  # so that MongoDB reads the index and not the documents
    {"$group": {"_id": "$status", "count": {"$sum": 1}}},
]


def list_own(actor: Actor, page_request: PageRequest, **filters: Any) -> Page[Appointment]:
    """The user's own appointments as a patient: upcoming ones soonest first, others latest first."""
    when: str | None = filters.get("when")
    if when is None or (when == "upcoming" and page_request.offset == 0):  # other pages change as time passes
        cache.depends_on(appointments_tag(actor.signed_in_user_id), user_tag(actor.signed_in_user_id), DOCTORS_TAG)
    page = _list(Appointment.objects(patient_id=actor.signed_in_user_id), page_request, filters)
    for appointment in page.items:
        # A worker changes the state of a file, and others go before a skipped patient, without a tag.
        if appointment.images or (appointment.in_queue and appointment.in_queue.stage is Stage.SKIPPED):
            cache.valid_until(clock.now())
        if when is not None:
            cache.valid_until(appointment.starts_at)
    return page


def list_appointments(actor: Actor, page_request: PageRequest, **filters: Any) -> Page[Appointment]:
    """All appointments, or a doctor's own, in the same order."""
    page = _list(Appointment.listed_for(actor), page_request, filters)
    audit_trail.record_list(actor, page, page_request.filters, filters.get("patient_id"))
    return page


def _list(appointments: Any, page_request: PageRequest, filters: dict[str, Any]) -> Page[Appointment]:
    sign = "" if filters.get("when") == "upcoming" else "-"
    matching = appointments.filter(__raw__=_to_query(**filters))
    page: Page[Appointment] = matching.order_by(f"{sign}startsAt", f"{sign}_id").page(page_request)
    Appointment.with_people(list(page.items))
    return page


def _to_query(
    *,
    status: Status | None = None,
    start_date: date | None = None,
    end_date: date | None = None,
    when: str | None = None,
    doctor_id: ObjectId | None = None,
    patient_id: ObjectId | None = None,
    dependent_id: ObjectId | None = None,
) -> Raw:
    since, until = _interval(start_date, end_date, when)
    starts_at = {operator: limit for operator, limit in (("$gte", since), ("$lt", until)) if limit is not None}
    people = {"doctor": doctor_id, "patient": patient_id, "dependent": dependent_id}
    conditions = {"status": status, **people, "startsAt": starts_at or None}
    return {field: condition for field, condition in conditions.items() if condition is not None}


def _interval(
    start_date: date | None, end_date: date | None, when: str | None
) -> tuple[datetime | None, datetime | None]:
    """The half-open interval in which the appointments start; the dates are in the clinic's time zone."""
    zone = settings().policy.timezone
    since = [] if start_date is None else [clock.wall_clock(start_date, "00:00", zone)]
    until = [] if end_date is None else [clock.wall_clock(end_date + timedelta(days=1), "00:00", zone)]
    if when == "upcoming":
        since.append(clock.now())
    elif when == "past":
        until.append(clock.now())
    return max(since, default=None), min(until, default=None)


def earlier_of(actor: Actor, appointment: Appointment) -> list[Appointment]:
    """The last treatments of the same person before an appointment, the latest first; a doctor's own ones."""
    person = {"patient_id": appointment.patient_id, "dependent_id": appointment.dependent_id}
    treated = Appointment.listed_for(actor).filter(
        **person, starts_at__lt=appointment.starts_at, status__in=sorted(TREATED)
    )
    found = list(treated.order_by("-starts_at", "-id").limit(_MAX_EARLIER))
    filters = {"patientId": str(appointment.patient_id), "when": "past"}
    audit.record_search(actor, Kind.APPOINTMENT, filters, found=len(found), subjects=[appointment.patient_id])
    audit_trail.record_read(actor, found)
    return Appointment.with_people(found)


def list_pending(actor: Actor, page_request: PageRequest) -> Page[Appointment]:
    """The pending appointments, the oldest booking first."""
    pending = Appointment.objects(status=Status.PENDING)
    page: Page[Appointment] = pending.order_by("created_at", "id").page(page_request)
    audit_trail.record_list(actor, page, {"status": str(Status.PENDING)})
    Appointment.with_people(list(page.items))
    return page


def edit(actor: Actor, appointment_id: ObjectId, changes: dict[str, str | None]) -> Appointment:
    """Edit fields of an appointment; the update is conditional on the status.

    Raises:
        NotFound: the actor may not see the appointment.
        PermissionDenied: the role may not edit one of the fields.
        TooLate: the appointment is confirmed.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    access.ensure_may_edit(actor, appointment, set(changes))
    edited = transaction(partial(_save, actor, appointment, changes))
    if edited is None:  # the status changed in the meantime, and with it perhaps the right to edit
        return edit(actor, appointment_id, changes)
    return Appointment.with_people([edited])[0]


def _save(
    actor: Actor, appointment: Appointment, changes: dict[str, str | None], session: ClientSession
) -> Appointment | None:
    edited = appointment.edit(changes, now=clock.now(), session=session)
    if edited is not None:
        audit_trail.record_change(actor, appointment, edited, session)
    return edited


def stats(actor: Actor, *, start_date: date | None = None, end_date: date | None = None) -> dict[str, Any]:
    """Count by status the appointments in the lists of this user that start in a range of days."""
    listed, days = Appointment.listed_for(actor), _to_query(start_date=start_date, end_date=end_date)
    rows = listed.filter(__raw__=days).aggregate(_BY_STATUS if not days else _BY_STATUS[1:])
    by_status = dict.fromkeys(map(str, Status), 0) | {row["_id"]: row["count"] for row in rows}
    coming = _to_query(start_date=start_date, end_date=end_date, when="upcoming")
    upcoming = listed.filter(__raw__={**coming, "status": {"$in": sorted(ACTIVE)}}).count()
    return {"total": sum(by_status.values()), "upcoming": upcoming, "by_status": by_status}
