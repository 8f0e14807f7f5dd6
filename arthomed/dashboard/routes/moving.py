"""Move an appointment to another time or doctor, in a panel over any screen."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from flask import Response, make_response, render_template, request
from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import SlotUnavailable
from arthomed.appointments.service import offers, rescheduling
from arthomed.core.errors import DuplicateValue, IdempotencyKeyReused, ValidationFailed
from arthomed.core.permissions import Permission
from arthomed.dashboard import events, forms, i18n, times
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.booking_schemas import MoveForm
from arthomed.dashboard.times import Chosen
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_bookings
from arthomed.users.models import User

_DONE_BEFORE = "The first attempt was done: the day shows it. Please close this."

blueprint = Pages("moving", __name__)


@blueprint.get("/appointments/<object_id:appointment_id>/move")
@requires_page(Permission.APPOINTMENT_RESCHEDULE)
def ask(appointment_id: ObjectId) -> str:
    """Offer the free times around the present one."""
    return _panel(rescheduling.find_movable(current_actor(), appointment_id), key=secrets.token_urlsafe())


@blueprint.post("/appointments/<object_id:appointment_id>/move/times")
@requires_page(Permission.APPOINTMENT_RESCHEDULE)
def show_times(appointment_id: ObjectId) -> str:
    """The times of another doctor or day."""
    appointment = rescheduling.find_movable(current_actor(), appointment_id)
    chosen = times.select(_doctors(appointment), _selected(appointment))
    found = times.find(chosen, moved=appointment)
    return render_template("dashboard/_times.html", times=found, fee=appointment.payment.amount)


@blueprint.post("/appointments/<object_id:appointment_id>/move")
@limit_bookings
@requires_page(Permission.APPOINTMENT_RESCHEDULE)
def move(appointment_id: ObjectId) -> Response:
    """Move, and let the screen below show it; a time that is taken is answered with the nearest."""
    actor, form = current_actor(), forms.read(MoveForm)
    when: Chosen = form["when"]
    try:
        new_time = rescheduling.NewTime(when.day, when.hhmm, when.doctor_id)  # type: ignore[arg-type]  # a move names both
        moved = rescheduling.reschedule(actor, appointment_id, new_time, key=form["key"])
    except IdempotencyKeyReused as error:
        raise IdempotencyKeyReused(_DONE_BEFORE) from error
    except (SlotUnavailable, DuplicateValue, ValidationFailed) as error:
        appointment = rescheduling.find_movable(actor, appointment_id)
        errors = {"when": times.refusal(error)}
        refused = when if isinstance(error, SlotUnavailable) else None
        panel = _panel(appointment, key=form["key"], refused=refused, errors=errors)
        return make_response(panel, STATUS_OF[error.code], {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"})
    return _done(moved)


def _done(moved: Appointment) -> Response:
    place = {"day": i18n.weekday(moved.appointment_date.date()), "time": moved.appointment_time}
    text = gettext("%(name)s is moved to %(day)s, %(time)s", name=moved.person_name, **place)
    return events.say(Response(status=204), text, changed=None)


def _panel(
    appointment: Appointment, *, key: str, refused: Chosen | None = None, errors: Mapping[str, str] | None = None
) -> str:
    doctors, selected = _doctors(appointment), _selected(appointment)
    return render_template(
        "dashboard/_move.html",
        appointment=appointment,
        key=key,
        doctors=doctors,
        selected=selected,
        times=times.find(times.select(doctors, selected), moved=appointment, refused=refused),
        fee=appointment.payment.amount,
        errors=errors or {},
    )


def _doctors(appointment: Appointment) -> Sequence[User]:
    """The doctors to whom the appointment can move: the present one, and others of the same specialization."""
    specialization = offers.specialization_of(appointment.doctor)
    return [one for one in offers.doctors() if offers.specialization_of(one) == specialization]


def _selected(appointment: Appointment) -> str:
    return request.values.get("doctors", str(appointment.doctor_id))


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {"today": times.today, "SPECIALIZATION": times.SPECIALIZATION}
