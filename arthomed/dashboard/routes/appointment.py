"""One appointment: a panel over the day, or a page; its messages, its accesses, its slip."""

from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template, request, url_for

from arthomed.appointments import access
from arthomed.appointments.models import Appointment
from arthomed.appointments.service import history, queries, rescheduling, sent_messages
from arthomed.appointments.stages import STAGE_OF
from arthomed.audit import service as audit
from arthomed.core.paging import PageRequest
from arthomed.core.permissions import Permission
from arthomed.dashboard import appointment_texts as texts
from arthomed.dashboard import day_texts, live, people
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.problems import is_partial
from arthomed.dashboard.routes.day import Filters
from arthomed.dashboard.timeline import events_of
from arthomed.frontdesk.service import steps
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.limits import limit_polling
from arthomed.payments.service import queries as payments
from arthomed.privacy.service import trail

_TEMPLATE = "dashboard/_appointment.html"
_MAX_ACCESSES = 50
_PANEL = "panel"

blueprint = Pages("appointment", __name__)


@blueprint.get("/appointments/<object_id:appointment_id>")
@requires_page(Permission.APPOINTMENT_READ)
def show(appointment_id: ObjectId) -> Response:
    """The panel, or a page of its own."""
    shown = _shown(appointment_id, is_panel=is_partial(), is_opened=True)
    if is_partial():
        return live.response(_TEMPLATE, **shown)
    part = live.part(_TEMPLATE, **shown)
    name = shown["appointment"].person_name
    return make_response(render_template("dashboard/appointment.html", part=part, name=name))


@blueprint.get("/appointments/<object_id:appointment_id>/live")
@limit_polling
@requires_page(Permission.APPOINTMENT_READ)
@live.polled
def poll(appointment_id: ObjectId) -> Response:
    return live.response(_TEMPLATE, **_shown(appointment_id, is_panel=_is_panel()))


@blueprint.get("/appointments/<object_id:appointment_id>/slip")
@requires_page(Permission.APPOINTMENT_READ)
def slip(appointment_id: ObjectId) -> str:
    """What the patient takes along, to be printed."""
    return render_template("dashboard/slip.html", appointment=queries.get(current_actor(), appointment_id))


@blueprint.get("/appointments/<object_id:appointment_id>/accesses")
@requires_page(Permission.AUDIT_READ)
def accesses(appointment_id: ObjectId) -> str:
    """Who read or changed the appointment, the newest first."""
    wanted = PageRequest(limit=_MAX_ACCESSES, filters={"recordId": str(appointment_id)})
    return render_template("dashboard/_accesses.html", page=trail.read(current_actor(), wanted, records=appointment_id))


@blueprint.post("/messages/<object_id:message_id>/resend")
@requires_page(Permission.APPOINTMENT_MESSAGES)
def resend(message_id: ObjectId) -> Response:
    """Send a failed message again, and show the panel as it is then."""
    message = sent_messages.resend(current_actor(), message_id)
    return live.response(_TEMPLATE, **_shown(message.subject, is_panel=_is_panel()))


def _is_panel() -> bool:
    return _PANEL in request.values


def _shown(appointment_id: ObjectId, *, is_panel: bool, is_opened: bool = False) -> dict[str, Any]:
    """What the panel shows: when it is opened, each part is a read of its own, as over the API."""
    with audit.reads_of_screen(f"appointment {appointment_id}", is_opened=is_opened):
        shown = _read(appointment_id)
    return {
        **shown,
        "url": url_for("dashboard_appointment.poll", appointment_id=appointment_id),
        "filters": {**Filters.of_request().parameters, _PANEL: "1"} if is_panel else {},
        "place": "#dialog" if is_panel else "#live",
        "heading": "h2" if is_panel else "h1",
        "part_heading": "h3" if is_panel else "h2",
    }


def _read(appointment_id: ObjectId) -> dict[str, Any]:
    actor, now = current_actor(), live.this_minute()  # not all names have a cache tag, either
    appointment = queries.get_live(actor, appointment_id)
    stage = appointment.in_queue.stage if appointment.in_queue else STAGE_OF[appointment.status]
    shows_messages, shows_payments = (
        actor.may(one) for one in (Permission.APPOINTMENT_MESSAGES, Permission.PAYMENT_RECORD)
    )
    return {
        "appointment": appointment,
        "person": _facts(appointment),
        "stage": stage,
        "status": texts.status(appointment.status, stage),
        "reads_record": access.reads_medical_record(appointment.patient_id, actor),
        "readable": {one.id for one in appointment.images if access.reads_file(one.owner, one.uploader, actor)},
        "events": events_of(appointment, history.people_of(appointment)),
        "messages": sent_messages.list_of_appointment(actor, appointment_id) if shows_messages else None,
        "account": payments.account(actor, appointment_id) if shows_payments else None,
        "is_movable": rescheduling.is_movable(actor, appointment, now),
        "is_cancellable": steps.is_cancellable(actor, appointment, now),
        "books": actor.may(Permission.APPOINTMENT_BOOK_FOR_PATIENT),
        "shows_accesses": actor.may(Permission.AUDIT_READ),
    }


def _facts(appointment: Appointment) -> list[str]:
    """Age and sex; of a family member also whose number the family books with."""
    if (member := appointment.dependent) is not None:
        return [*people.facts(member.date_of_birth, member.gender), appointment.patient.name]
    profile = appointment.patient.profile
    return people.facts(profile.date_of_birth, profile.gender)


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"texts": texts, "priorities": day_texts.PRIORITIES}
