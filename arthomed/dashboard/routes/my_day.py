"""My day, for doctors and made for a phone: the next patient, notes and prescription, done and next.

What is typed is outside of the part that is polled, and stays in the page when a request fails. Before the screen is
locked the page stores it: the token in the form proves that it was typed while the screen was open.
"""

from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template, request, url_for
from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.schemas import findings_text
from arthomed.appointments.service import arrival, queries
from arthomed.core import clock
from arthomed.core.permissions import Permission
from arthomed.dashboard import appointment_texts, day_rows, form_tokens, forms, live, lock, people
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.day_texts import ACTIONS, PRIORITIES, STAGES
from arthomed.dashboard.i18n import clock_time
from arthomed.dashboard.problems import is_partial
from arthomed.frontdesk.service import my_day, steps
from arthomed.frontdesk.service.my_day import MyDay
from arthomed.frontdesk.service.steps import Action
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.limits import limit_polling
from arthomed.http.schema import Part

_LINE = "dashboard/_my_line.html"
_STEPS = (Action.CALL, Action.START, Action.SKIP, Action.NO_SHOW, Action.UNDO)

blueprint = Pages("my_day", __name__)


class Findings(Part):
    """What a doctor writes; a blank text clears it, one that is left out stays as another screen stored it."""

    notes = findings_text("Throat is red", allow_none=True)
    prescription = findings_text("Paracetamol 500 mg", allow_none=True)


@blueprint.get("/my-day")
@requires_page(Permission.MY_DAY)
def show() -> str:
    return _content() if is_partial() else render_template("dashboard/my_day.html", content=_content())


@blueprint.get("/my-day/live")
@limit_polling
@requires_page(Permission.MY_DAY)
@live.polled
def poll() -> Response:
    """The line of patients; `current` is the appointment whose notes the page shows."""
    found = my_day.get(current_actor(), live.this_minute())
    return live.response(_LINE, **_line(found, request.args.get("current", "")))


@blueprint.get("/my-day/appointments/<object_id:appointment_id>/earlier")
@requires_page(Permission.MY_DAY)
def earlier(appointment_id: ObjectId) -> str:
    """Earlier appointments of the person, and the files of this one, before the consultation begins."""
    return render_template("dashboard/_earlier.html", **_record_of(appointment_id))


@blueprint.get("/my-day/appointments/<object_id:appointment_id>/notes")
@requires_page(Permission.MY_DAY)
def show_findings(appointment_id: ObjectId) -> str:
    """Notes and prescription of a patient who is done, to be completed or corrected."""
    shown = {"appointment": queries.get(current_actor(), appointment_id)}
    form_token = form_tokens.new(_token_subject(appointment_id))
    return render_template("dashboard/_record_of_done.html", form_token=form_token, **shown)


@blueprint.post("/my-day/appointments/<object_id:appointment_id>/notes")
@requires_page(Permission.MY_DAY, while_locked=True)
def save(appointment_id: ObjectId) -> str:
    """Store what is typed, during the consultation or later."""
    if lock.is_locked():
        form_tokens.check(_token_subject(appointment_id))
    my_day.save_findings(current_actor(), appointment_id, forms.read(Findings))
    return str(gettext("Saved at %(time)s", time=clock_time(clock.now())))


@blueprint.post("/my-day/appointments/<object_id:appointment_id>/done")
@requires_page(Permission.MY_DAY)
def done(appointment_id: ObjectId) -> str | Response:
    """Store what is typed, end the consultation, and show the next patient; ask first if nothing is written."""
    findings = forms.read(Findings)
    appointment = queries.get(current_actor(), appointment_id)
    written = {"notes": appointment.notes, "prescription": appointment.prescription, **findings}
    if not any(written.values()) and not request.form.get("sure"):
        return _ask_if_empty(appointment)
    my_day.finish(current_actor(), appointment_id, findings)
    return _content()


def _ask_if_empty(appointment: Appointment) -> Response:
    response = make_response(render_template("dashboard/_done_empty.html", appointment=appointment))
    response.headers.update({"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"})
    return response


def _add_route(action: Action) -> None:
    @requires_page(Permission.MY_DAY)
    def take(appointment_id: ObjectId) -> str:
        steps.take(current_actor(), action, appointment_id, seen=forms.seen())
        return _content()

    name = action.replace("-", "_")
    blueprint.add_url_rule(f"/my-day/appointments/<object_id:appointment_id>/{action}", name, take, methods=["POST"])


for _action in _STEPS:
    _add_route(_action)


def _content() -> str:
    """The consultation, if there is one, and the line of the other patients."""
    found = my_day.get(current_actor(), live.this_minute())
    current = found.in_consultation
    shown = {} if current is None else {**_record_of(current), "form_token": form_tokens.new(_token_subject(current))}
    part = live.part(_LINE, **_line(found, str(current or "")))
    return render_template("dashboard/_my_day.html", found=found, part=part, **shown)


def _line(found: MyDay, current: str) -> dict[str, Any]:
    return {
        "url": url_for("dashboard_my_day.poll"),
        "filters": {"current": current} if current else {},
        "found": found,
        "current": current,
        "minute": live.this_minute(),
        "steps": [action for action in found.possible if action in _STEPS and not _undoes_arrival(found, action)],
    }


def _undoes_arrival(found: MyDay, action: Action) -> bool:
    """The desk saw the patient, so this screen does not offer that; the day does, to doctors, too."""
    queue = found.current.row.appointment.queue if found.current else None
    former = queue.former if queue else None
    return action is Action.UNDO and former is not None and former.step == arrival.STEP


def _token_subject(appointment_id: ObjectId) -> str:
    return f"{current_actor().session_id} {appointment_id}"


def _record_of(appointment_id: ObjectId) -> dict[str, Any]:
    appointment = queries.get(current_actor(), appointment_id)
    return {"appointment": appointment, "earlier": queries.earlier_of(current_actor(), appointment)}


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {
        "actions": ACTIONS,
        "stages": STAGES,
        "priorities": PRIORITIES,
        "texts": appointment_texts,
        "waits_of": day_rows.waits_of,
        "facts_of_patient": people.facts_of_patient,
    }
