"""Requests: what waits for confirmation, oldest first."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template, request, url_for

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import InvalidTransition, Status
from arthomed.appointments.schemas import CancelAppointment
from arthomed.appointments.service import queries, transitions
from arthomed.core.actor import Actor
from arthomed.core.errors import ValidationFailed
from arthomed.core.permissions import Permission
from arthomed.dashboard import events, forms, live, people
from arthomed.dashboard.appointment_texts import STATUSES
from arthomed.dashboard.blueprint import Pages
from arthomed.frontdesk.service import requests
from arthomed.frontdesk.service.requests import MAX_SHOWN, Neighbour, Requests
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_polling

_TEMPLATE = "dashboard/_requests.html"
_MAX_KEPT = 2 * MAX_SHOWN
_NEIGHBOURS = 2

blueprint = Pages("requests", __name__)


@blueprint.get("/requests")
@requires_page(Permission.APPOINTMENT_LIST_PENDING)
def show() -> Response:
    found = requests.find(current_actor())
    part = live.part(_TEMPLATE, **_context(found, _first(found)))
    return make_response(render_template("dashboard/requests.html", part=part))


@blueprint.get("/requests/live")
@limit_polling
@requires_page(Permission.APPOINTMENT_LIST_PENDING)
@live.polled
def poll() -> Response:
    """The list, in which those that were shown and are decided meanwhile stay."""
    return live.response(_TEMPLATE, **_context(requests.find(current_actor(), _shown())))


@blueprint.post("/requests/<object_id:appointment_id>/confirm")
@requires_page(Permission.APPOINTMENT_LIST_PENDING)
def confirm(appointment_id: ObjectId) -> Response:
    return _decide(appointment_id, partial(transitions.confirm, seen=forms.seen()))


@blueprint.get("/requests/<object_id:appointment_id>/reject")
@requires_page(Permission.APPOINTMENT_LIST_PENDING)
def ask_to_reject(appointment_id: ObjectId) -> str:
    """Ask for the reason, which the patient's list shows."""
    return _rejection(queries.get(current_actor(), appointment_id))


@blueprint.post("/requests/<object_id:appointment_id>/reject")
@requires_page(Permission.APPOINTMENT_LIST_PENDING)
def reject(appointment_id: ObjectId) -> Response:
    try:
        reason = forms.read(CancelAppointment).get("reason")
        return _decide(appointment_id, partial(transitions.change_status, target=Status.REJECTED, reason=reason))
    except ValidationFailed as error:
        appointment = queries.get(current_actor(), appointment_id)
        response = make_response(_rejection(appointment, forms.messages(error)), STATUS_OF[error.code])
        response.headers.update({"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"})
        return response


def _decide(appointment_id: ObjectId, decide: Callable[[Actor, ObjectId], Appointment]) -> Response:
    """Answer with the list as it is then, on the next request; one that somebody else has decided stays in it."""
    actor = current_actor()
    try:
        decided = decide(actor, appointment_id)
    except InvalidTransition:
        decided = queries.get(actor, appointment_id)
        if decided.status is Status.PENDING:  # its time came, or it was moved
            raise
        found = requests.find(actor, [appointment_id])
    else:
        found = requests.find(actor)
    response = live.response(_TEMPLATE, **_context(found, _first(found, after=decided)))
    return events.say(response, f"{decided.person_name}: {STATUSES[decided.status]}")


def _first(found: Requests, after: Appointment | None = None) -> ObjectId | None:
    """The oldest request, or the next one after another."""
    ids = [(one.appointment.created_at, one.appointment.id) for one in found.waiting]
    later = [place for place in ids if after is None or place > (after.created_at, after.id)]
    return next((id_ for _, id_ in [*later, *ids]), None)


def _shown() -> list[ObjectId]:
    given = request.values.get("shown", "").split(",")[:_MAX_KEPT]
    return [ObjectId(one) for one in given if ObjectId.is_valid(one)]


def _rejection(appointment: Appointment, errors: Any = None) -> str:
    reason = request.form.get("reason", "")
    return render_template("dashboard/_reject.html", appointment=appointment, errors=errors or {}, reason=reason)


def _context(found: Requests, focused: ObjectId | None = None) -> dict[str, Any]:
    return {
        "url": url_for("dashboard_requests.poll"),
        "filters": {"shown": ",".join(map(str, found.shown[:_MAX_KEPT]))},
        "found": found,
        "focused": focused,
    }


def _nearest(around: Sequence[Neighbour], starts_at: datetime) -> tuple[Sequence[Neighbour], Sequence[Neighbour]]:
    """The few appointments before and after a time."""
    before = [one for one in around if one.starts_at <= starts_at]
    after = [one for one in around if one.starts_at > starts_at]
    return before[-_NEIGHBOURS:], after[:_NEIGHBOURS]


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"statuses": STATUSES, "facts_of": people.facts_of_patient, "nearest": _nearest, "max_shown": MAX_SHOWN}
