"""A new appointment: the number first, then the person, then the time; in a panel over the screen, or as a page."""

import json
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, make_response, render_template, request
from flask_babel import gettext

from arthomed.appointments.rules import SlotUnavailable
from arthomed.appointments.service import offers
from arthomed.appointments.service.desk import DeskBooked
from arthomed.core.errors import ClinicError, DuplicateValue, IdempotencyKeyReused, ValidationFailed
from arthomed.core.permissions import Permission
from arthomed.dashboard import forms, people, times
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.booking_schemas import NEW_MEMBER, SELF, AskWhy, BookingForm, Command, FindCaller, NewPatient
from arthomed.dashboard.problems import is_partial
from arthomed.dashboard.times import Chosen
from arthomed.frontdesk.service import callers
from arthomed.frontdesk.service.callers import Caller
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_bookings
from arthomed.users.models import User

_SHOWN_BESIDE = ("name", "memberName", "relationship", "dateOfBirth", "reason", "when")
_TYPED = ("name", "person", "memberName", "relationship", "dateOfBirth", "reason")

blueprint = Pages("booking", __name__)


@blueprint.get("/appointments/new")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def show() -> str:
    """The first step, in a panel or as a page."""
    template = "_booking_number" if is_partial() else "booking"
    return render_template(f"dashboard/{template}.html", is_panel=is_partial(), errors={}, mobile="")


@blueprint.post("/appointments/new/person")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def find_person() -> Response:
    """The second step, for the user of the number or for a new patient."""
    try:
        caller = callers.find(current_actor(), forms.read(FindCaller)["mobile_number"])
    except ClinicError as error:
        mobile = request.form.get("mobileNumber", "")
        errors = forms.messages(error)
        page = render_template("dashboard/_booking_number.html", is_panel=_is_panel(), errors=errors, mobile=mobile)
        return make_response(page, STATUS_OF[error.code])
    return _second_step(caller, key=secrets.token_urlsafe())


@blueprint.post("/appointments/new/times")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def show_times() -> str:
    """The times of other doctors, of another day, or nearest to a time."""
    found = times.find(times.select(offers.doctors(), request.form.get("doctors", "")), walks_in=True)
    return render_template("dashboard/_times.html", times=found)


@blueprint.post("/appointments/new/duplicates")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def show_duplicates() -> str:
    """Patients who may be the person whose name is being typed."""
    try:
        typed = forms.read(NewPatient)
    except ValidationFailed:  # not typed yet
        return ""
    found = callers.possible_duplicates(current_actor(), typed["mobile_number"], typed["name"])
    return render_template("dashboard/_duplicates.html", duplicates=found)


@blueprint.post("/appointments/new/explain")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def explain() -> str:
    """Why a time cannot be booked."""
    asked = forms.read(AskWhy)
    found = times.reasons(current_actor(), asked["asked_doctor"], asked["asked_date"], asked["asked_time"])
    return render_template("dashboard/_reasons.html", reasons=found)


@blueprint.post("/appointments/new")
@limit_bookings
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def book() -> Response:
    """Book once, however often the form is sent; what is refused is said beside it, with the nearest times."""
    chosen = None
    try:
        command: Command = forms.read_as(BookingForm)
        booking = command.booking
        chosen = Chosen(booking.doctor_id, booking.appointment_date, booking.appointment_time)
        booked = callers.book(current_actor(), booking, new_member=command.new_member, key=command.key)
    except ClinicError as error:
        return _refused(error, chosen)
    return _booked(booked)


def _booked(booked: DeskBooked) -> Response:
    appointment = booked.appointment
    page = render_template(
        "dashboard/_booked.html", appointment=appointment, duplicates=booked.possible_duplicates, is_panel=_is_panel()
    )
    response = make_response(page)
    text = gettext("%(name)s is booked", name=appointment.person_name)
    response.headers["HX-Trigger"] = json.dumps({"said": {"text": text}, "changed": None})
    return response


def _refused(error: ClinicError, chosen: Chosen | None) -> Response:
    errors = dict(forms.messages(error))
    if isinstance(error, SlotUnavailable | DuplicateValue):
        errors = {"when": times.refusal(error)}
    if isinstance(error, IdempotencyKeyReused):
        errors = {"": gettext("The first attempt was booked: the day shows it. Please close this.")}
    if not errors.keys() <= {*_SHOWN_BESIDE}:
        errors.setdefault("", next(iter(errors.values())))
    caller = callers.find(current_actor(), forms.read(FindCaller)["mobile_number"])
    refused = chosen if isinstance(error, SlotUnavailable) else None
    response = _second_step(caller, key=request.form.get("key", ""), refused=refused, errors=errors)
    response.status_code = STATUS_OF[error.code]
    return response


def _second_step(
    caller: Caller, *, key: str, refused: Chosen | None = None, errors: Mapping[str, str] | None = None
) -> Response:
    bookable = offers.doctors()
    selected = request.form.get("doctors")
    if selected is None:
        selected = _usual(bookable, caller)
    found = times.find(times.select(bookable, selected), walks_in=True, refused=refused)
    page = render_template(
        "dashboard/_booking.html",
        caller=caller,
        key=key,
        groups=_by_specialization(bookable),
        selected=selected,
        times=found,
        errors=errors or {},
        focus=_focus(caller, errors or {}),
        typed={name: request.form.get(name, "") for name in _TYPED},
        is_panel=_is_panel(),
    )
    return make_response(page)


def _focus(caller: Caller, errors: Mapping[str, str]) -> str:
    """The first field that is wrong, or that has to be filled in or may have to be changed."""
    usual = "name" if caller.user is None else "person" if caller.members else "when"
    return next((name for name in _SHOWN_BESIDE if name in errors), usual)


def _usual(bookable: Sequence[User], caller: Caller) -> str:
    """The doctor whom the screen shows, else the patient's last one; of several without either all."""
    shown = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query).get("doctor", [])
    ids = [str(doctor.id) for doctor in bookable]
    return next((one for one in (*shown, str(caller.usual_doctor)) if one in ids), "")


def _by_specialization(bookable: Sequence[User]) -> dict[str, list[User]]:
    groups: dict[str, list[User]] = defaultdict(list)
    for doctor in bookable:
        groups[offers.specialization_of(doctor) or ""].append(doctor)
    return dict(sorted(groups.items()))


def _is_panel() -> bool:
    return "panel" in request.form


@blueprint.context_processor
def _words() -> dict[str, Any]:
    return {
        "SELF": SELF,
        "NEW_MEMBER": NEW_MEMBER,
        "SPECIALIZATION": times.SPECIALIZATION,
        "facts": people.facts,
        "today": times.today,
    }
