"""The day: the list of all appointments in queue order, and what is done with them."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from flask import Response, make_response, render_template, request, url_for
from markupsafe import Markup

from arthomed.appointments.models import Appointment
from arthomed.appointments.schemas import CancelAppointment
from arthomed.appointments.service import queries, transitions
from arthomed.appointments.stages import Stage
from arthomed.core import text
from arthomed.core.permissions import Permission
from arthomed.dashboard import day_rows, events, forms, live, money, payment_forms, times
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.day_texts import ACTIONS, ENDED, MESSAGES, PRIORITIES, STAGES, USUAL
from arthomed.dashboard.problems import is_partial
from arthomed.frontdesk.service import day, steps
from arthomed.frontdesk.service.steps import Action
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.limits import limit_polling
from arthomed.http.schema import day_of
from arthomed.payments.service import queries as payments

_MAX_SEARCH = 100
_VIEWS = ("list", "columns")
_TEMPLATE = "dashboard/_day.html"

blueprint = Pages("day", __name__)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list shows; each is a parameter of the URL, and one that is left out is the default."""

    date: date
    doctor: ObjectId | None
    state: Stage | None
    search: str
    view: str

    @classmethod
    def of_request(cls) -> "Filters":
        """The filters of this request; those that mean nothing are left out."""
        given = request.values
        doctor, state, view = given.get("doctor", ""), given.get("state", ""), given.get("view", "")
        return cls(
            day_of(given.get("date", "")) or times.today(),
            ObjectId(doctor) if ObjectId.is_valid(doctor) else None,
            Stage(state) if state in list(Stage) else None,
            text.one_line(given.get("search", "")[:_MAX_SEARCH]),
            view if view in _VIEWS else _VIEWS[0],
        )

    @property
    def is_today(self) -> bool:
        return self.date == times.today()

    @property
    def parameters(self) -> dict[str, str]:
        """Without a date it is today, also tomorrow: a screen is left open over a night."""
        found = {
            "date": "" if self.is_today else self.date.isoformat(),
            "doctor": str(self.doctor or ""),
            "state": str(self.state or ""),
            "search": self.search,
            "view": self.view if self.view != _VIEWS[0] else "",
        }
        return {name: value for name, value in found.items() if value}

    def url(self, **changes: Any) -> str:
        """The address of the list with other filters; an empty one is left out."""
        changed: dict[str, Any] = {name: value for name, value in {**self.parameters, **changes}.items() if value}
        return url_for("dashboard_day.show", **changed)

    def url_of_day(self, offset: int) -> str:
        return self.url(date=(self.date + timedelta(days=offset)).isoformat())


@blueprint.get("/day")
@requires_page(Permission.QUEUE)
def show() -> Response:
    """The page, or for a change of the filters only its list."""
    shown = _shown()
    if is_partial():
        return live.response(_TEMPLATE, **shown)
    part: Markup = live.part(_TEMPLATE, **shown)
    return make_response(render_template("dashboard/day.html", part=part, chosen=shown["chosen"]))


@blueprint.get("/day/live")
@limit_polling
@requires_page(Permission.QUEUE)
@live.polled
def poll() -> Response:
    return live.response(_TEMPLATE, **_shown())


@blueprint.get("/appointments/<object_id:appointment_id>/cancel")
@requires_page(Permission.APPOINTMENT_CANCEL)
def ask_to_cancel(appointment_id: ObjectId) -> str:
    """Show what a cancellation means before it is done."""
    appointment = transitions.quote_cancellation(current_actor(), appointment_id)
    sent = {**Filters.of_request().parameters, "seen": appointment.last_step_at.isoformat()}
    return render_template("dashboard/_cancel.html", appointment=appointment, filters=sent)


@blueprint.get("/appointments/<object_id:appointment_id>/done")
@requires_page(Permission.APPOINTMENT_CHANGE_STATUS)
def ask_if_done(appointment_id: ObjectId) -> str:
    """Ask before the end of a consultation, which cannot be undone."""
    appointment = queries.get(current_actor(), appointment_id)
    return render_template("dashboard/_done.html", appointment=appointment, filters=Filters.of_request().parameters)


def _add_route(action: Action) -> None:
    """The route of an action, which answers with the list as it is then."""

    @requires_page(steps.permission_of(action))
    def take(appointment_id: ObjectId) -> Response:
        more: dict[str, Any] = {"seen": forms.seen()}
        if action is Action.CANCEL:
            more["reason"] = forms.read(CancelAppointment).get("reason")
        done = steps.take(current_actor(), action, appointment_id, **more)
        if action is Action.CANCEL and payments.refund_due_of(done) and current_actor().may(Permission.PAYMENT_RECORD):
            return _ask_to_refund(appointment_id)
        if not _is_on_day():
            return Response(status=204, headers={"HX-Refresh": "true"})
        return events.say(live.response(_TEMPLATE, **_shown()), _said(done, action))

    name = action.replace("-", "_")
    blueprint.add_url_rule(f"/appointments/<object_id:appointment_id>/{action}", name, take, methods=["POST"])


for _action in Action:
    _add_route(_action)


def _said(appointment: Appointment, action: Action) -> str:
    """What was done with whom."""
    token = f"{appointment.queue.token} · " if appointment.queue else ""
    return f"{token}{appointment.person_name} · {appointment.doctor.name}: {ACTIONS[action].done}"


def _ask_to_refund(appointment_id: ObjectId) -> Response:
    """Go on with the refund that is due after a cancellation, in the same dialog."""
    account = payments.account(current_actor(), appointment_id)
    response = make_response(payment_forms.ask_to_refund(account))
    response.headers.update({"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"})
    return events.say(response, _said(account.appointment, Action.CANCEL), changed=None)


def _is_on_day() -> bool:
    """Whether the page shows the list; that of one appointment is loaded again after an action."""
    page = urlsplit(request.headers.get("HX-Current-URL", "")).path
    return page in ("", url_for("dashboard_day.show"))


def _shown() -> dict[str, Any]:
    """What the template of the list needs."""
    actor, now, chosen = current_actor(), live.this_minute(), Filters.of_request()
    found = day.find(actor, chosen.date, chosen.doctor, stage=chosen.state, search=chosen.search)
    counts: Counter[str] = Counter()
    for doctor in found.doctors:
        counts.update(doctor.counts if chosen.doctor in (None, doctor.id) else {})
    return {
        "url": url_for("dashboard_day.poll"),
        "filters": chosen.parameters,
        "chosen": chosen,
        "found": found,
        "counts": counts,
        "row": day_rows.Rows(steps.possible(actor, found, now), now).draw,
    }


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {
        "actions": ACTIONS,
        "stages": STAGES,
        "usual": USUAL,
        "messages": MESSAGES,
        "ended": ENDED,
        "priorities": PRIORITIES,
        "facts_of": day_rows.facts_of,
        "money_of": money.money_of,
        "takes_payments": lambda: current_actor().may(Permission.PAYMENT_RECORD),
    }
