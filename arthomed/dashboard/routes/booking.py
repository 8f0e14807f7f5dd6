"""A new appointment: who it is first, then the person, then the time; in a panel over the screen, or as a page."""

import secrets
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from bson import ObjectId
from flask import Response, make_response, render_template, request, url_for
from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import SlotUnavailable
from arthomed.appointments.service import offers
from arthomed.appointments.service.desk import DeskBooked
from arthomed.core.errors import ClinicError, DuplicateValue, IdempotencyKeyReused, ValidationFailed
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.dashboard import booking_words, events, forms, times
from arthomed.dashboard.blueprint import Pages
from arthomed.dashboard.booking_schemas import SELF, AskWhy, BookingForm, Command, FindCaller, LookUp, NewPatient
from arthomed.dashboard.day_texts import ACTIONS
from arthomed.dashboard.problems import is_partial
from arthomed.dashboard.times import Chosen
from arthomed.frontdesk.service import callers, steps
from arthomed.frontdesk.service.callers import Caller, Today
from arthomed.frontdesk.service.steps import Action
from arthomed.http.auth import current_actor, requires_page
from arthomed.http.errors import STATUS_OF
from arthomed.http.limits import limit_bookings
from arthomed.users.models import User

_SHOWN_BESIDE = ("name", "person", "memberName", "relationship", "dateOfBirth", "age", "gender", "when", "reason")
_TYPED = tuple(name for name in _SHOWN_BESIDE if name != "when")

blueprint = Pages("booking", __name__)
blueprint.context_processor(booking_words.words)


@blueprint.get("/appointments/new")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def show() -> str:
    """The first step; for a `patient` who is chosen already, or a `person` of the family, the second one."""
    patient = request.args.get("patient", "")
    step = _first_step()
    if ObjectId.is_valid(patient):
        caller = callers.get(current_actor(), ObjectId(patient))
        step = _second_step(caller, key=secrets.token_urlsafe(), person=request.args.get("person") or SELF)
    return step if is_partial() else render_template("dashboard/booking.html", step=step)


@blueprint.post("/appointments/new/search")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def search() -> str:
    """Patients who match what is being typed; nothing for a whole number, or for too little."""
    try:
        found = callers.suggest(current_actor(), forms.read(LookUp).get("who", ""))
    except ValidationFailed:  # far too much
        found = None
    return render_template("dashboard/_found.html", found=found)


@blueprint.post("/appointments/new/person")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def find_person() -> Response:
    """The second step, for the user of a number or for a new patient; several who match are offered first."""
    actor = current_actor()
    try:
        given = forms.read(LookUp)
        found = (
            callers.get(actor, given["patient_id"])
            if "patient_id" in given
            else callers.look_up(actor, given.get("who", ""))
        )
        if isinstance(found, Page) and len(found.items) == 1:
            found = callers.get(actor, found.items[0].id)
    except ClinicError as error:
        return make_response(_first_step(problem=next(iter(forms.messages(error).values()))), STATUS_OF[error.code])
    if isinstance(found, Page):
        return make_response(_first_step(found=found))
    return make_response(_second_step(found, key=secrets.token_urlsafe()))


@blueprint.post("/appointments/new/times")
@requires_page(Permission.APPOINTMENT_BOOK_FOR_PATIENT)
def show_times() -> str:
    """The times of other doctors, of another day, or nearest to a time."""
    found = times.find(times.select(offers.doctors(), request.form.get("doctors", "")), queues=callers.queues())
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


@blueprint.post("/appointments/new/<object_id:appointment_id>/arrive")
@requires_page(steps.permission_of(Action.ARRIVE))
def arrive(appointment_id: ObjectId) -> Response:
    """Somebody who has an appointment today has come: no new one is needed."""
    arrived = steps.take(current_actor(), Action.ARRIVE, appointment_id)
    response = Response(status=204)
    if not _is_panel():
        response.headers["HX-Redirect"] = url_for("dashboard_day.show")
    return _said(response, f"{arrived.person_name}: {ACTIONS[Action.ARRIVE].done}", arrived)


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
    return _said(make_response(page), gettext("%(name)s is booked", name=appointment.person_name), appointment)


def _said(response: Response, text: str, appointment: Appointment) -> Response:
    """Say what was done; the screen below shows it, and chooses its row."""
    return events.say(response, text, changed=None, chosen={"row": f"row-{appointment.id}"})


def _refused(error: ClinicError, chosen: Chosen | None) -> Response:
    errors = dict(forms.messages(error))
    if isinstance(error, SlotUnavailable | DuplicateValue):
        errors = {"when": times.refusal(error)}
    if isinstance(error, IdempotencyKeyReused):
        errors = {"": gettext("The first attempt was booked: the day shows it. Please close this.")}
    if "patientId" in request.form and "name" in errors:  # of a new member, see `family.add`
        errors["memberName"] = errors.pop("name")
    if not errors.keys() <= {*_SHOWN_BESIDE}:
        errors.setdefault("", next(iter(errors.values())))
    caller = callers.find(current_actor(), forms.read(FindCaller)["mobile_number"])
    refused = chosen if isinstance(error, SlotUnavailable) else None
    page = _second_step(caller, key=request.form.get("key", ""), refused=refused, errors=errors)
    return make_response(page, STATUS_OF[error.code])


def _first_step(*, problem: str | None = None, found: Page[User] | None = None) -> str:
    typed = request.form.get("who", "")
    return render_template(
        "dashboard/_booking_number.html", is_panel=_is_panel(), problem=problem, found=found, typed=typed
    )


def _second_step(
    caller: Caller,
    *,
    key: str,
    person: str | None = None,
    refused: Chosen | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    """Of a family nobody is chosen beforehand."""
    bookable, today = offers.doctors(), callers.today(current_actor(), caller)
    selected = request.form.get("doctors")
    if selected is None:
        selected = _usual(bookable, caller)
    typed = {name: request.form.get(name, "") for name in _TYPED}
    typed["person"] = typed["person"] or person or ("" if caller.members else SELF)
    return render_template(
        "dashboard/_booking.html",
        caller=caller,
        key=key,
        today_of_family=today,
        doctors=bookable,
        waiting={doctor.id: doctor.counts["waiting"] for doctor in today.doctors},
        specializations=sorted({one for doctor in bookable if (one := offers.specialization_of(doctor))}),
        selected=selected,
        times=times.find(times.select(bookable, selected), queues=today.doctors, refused=refused),
        errors=errors or {},
        focus=_focus(caller, today, typed["person"], errors or {}),
        typed=typed,
        is_panel=_is_panel(),
    )


def _focus(caller: Caller, today: Today, person: str, errors: Mapping[str, str]) -> str:
    """The first field that is wrong, or that has to be filled in or may have to be changed.

    A patient who is expected today has probably come for that.
    """
    usual = "name" if caller.user is None else "when" if person and not caller.members else "person"
    if usual == "when" and today.may_arrive:
        usual = "arrive"
    return next((name for name in _SHOWN_BESIDE if name in errors), usual)


def _usual(bookable: Sequence[User], caller: Caller) -> str:
    """The doctor whom the screen shows, else the patient's last one; of several without either all."""
    shown = parse_qs(urlsplit(request.headers.get("HX-Current-URL", "")).query).get("doctor", [])
    ids = [str(doctor.id) for doctor in bookable]
    return next((one for one in (*shown, str(caller.usual_doctor)) if one in ids), "")


def _is_panel() -> bool:
    return "panel" in request.form or (request.method == "GET" and is_partial())
