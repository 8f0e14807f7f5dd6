"""One appointment: a panel over the day, or a page; its messages, its accesses, its slip."""

from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from flask import render_template, request, url_for

from arthomed.appointments import access
from arthomed.appointments.models import Appointment
from arthomed.appointments.service import history, queries, rescheduling, sent_messages
from arthomed.appointments.stages import STAGE_OF
from arthomed.core import clock
from arthomed.core.paging import PageRequest
from arthomed.core.permissions import Permission
from arthomed.dashboard import appointment_texts as texts
from arthomed.dashboard import day_texts, people
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.problems import is_partial
from arthomed.dashboard.routes.day import Filters
from arthomed.dashboard.timeline import events_of
from arthomed.frontdesk.service import steps
from arthomed.http.auth import current_actor, requires_page
from arthomed.payments.service import queries as payments
from arthomed.privacy.service import trail

_MAX_ACCESSES = 50

blueprint = Pages("appointment", __name__)


@blueprint.get("/appointments/<object_id:appointment_id>")
@requires_page(Permission.APPOINTMENT_READ)
def show(appointment_id: ObjectId) -> str:
    """The panel, or a page of its own."""
    template = "dashboard/_appointment.html" if is_partial() else "dashboard/appointment.html"
    return render_template(template, **_shown(appointment_id))


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
def resend(message_id: ObjectId) -> str:
    """Send a failed message again, and show the panel as it is then."""
    message = sent_messages.resend(current_actor(), message_id)
    return render_template("dashboard/_appointment.html", **_shown(message.subject))


def _shown(appointment_id: ObjectId) -> dict[str, Any]:
    """What the panel shows: each part is a read of its own, as over the API."""
    actor = current_actor()
    appointment = queries.get(actor, appointment_id)
    url = url_for("dashboard_appointment.show", appointment_id=appointment_id)
    is_own_page = not is_partial() or urlsplit(request.headers.get("HX-Current-URL", "")).path == url
    stage = appointment.in_queue.stage if appointment.in_queue else STAGE_OF[appointment.status]
    shows_messages, shows_payments = (
        actor.may(one) for one in (Permission.APPOINTMENT_MESSAGES, Permission.PAYMENT_RECORD)
    )
    return {
        "appointment": appointment,
        "person": _facts(appointment),
        "stage": stage,
        "status": texts.STATUSES.get(appointment.status) or day_texts.STAGES[stage],
        "reads_record": access.reads_medical_record(appointment.patient_id, actor),
        "readable": {one.id for one in appointment.images if access.reads_file(one.owner, one.uploader, actor)},
        "events": events_of(appointment, history.people_of(appointment)),
        "messages": sent_messages.list_of_appointment(actor, appointment_id) if shows_messages else None,
        "account": payments.account(actor, appointment_id) if shows_payments else None,
        "is_movable": rescheduling.is_movable(actor, appointment, clock.now()),
        "is_cancellable": steps.is_cancellable(actor, appointment, clock.now()),
        "shows_accesses": actor.may(Permission.AUDIT_READ),
        "filters": Filters.of_request().parameters,
        "url": url,
        "heading": "h1" if is_own_page else "h2",
        "part_heading": "h2" if is_own_page else "h3",
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
