"""The table of pages: each role, and who has no session, opens each URL of the dashboard."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import get_csrf_token
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.auth.models import Session
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications.models import Notification, State
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users.models import User
from tests import factories
from tests.architecture.test_permissions import is_page, queued
from tests.factories import Browser

STAFF = frozenset({Role.RECEPTIONIST, Role.ADMIN, Role.DOCTOR})
TREATING = frozenset({Role.DOCTOR, Role.ADMIN})
DESK = frozenset({Role.RECEPTIONIST, Role.ADMIN})
DOCTOR = frozenset({Role.DOCTOR})
SIGN_IN = "/dashboard/sign-in"


@dataclass(frozen=True)
class Page:
    """Who may open a URL; `by_rule` are those of them whom the rules of the record refuse.

    The record is an appointment of today, or of tomorrow, in the status, after the steps in the queue; or one that
    `record` makes of it, as its reader. `form` is what a POST sends, in which `{doctor}` is the doctor of the record.
    """

    roles: frozenset[Role]
    by_rule: frozenset[Role] = frozenset()
    status: Status = Status.CONFIRMED
    steps: tuple[str, ...] = ()
    record: Callable[[Appointment, User], object] = lambda appointment, _reader: appointment.id
    form: Mapping[str, str] = field(default_factory=dict)
    is_tomorrow: bool = False
    opens: tuple[int, ...] = (200, 204)


def _payment(appointment: Appointment, _reader: User) -> object:
    receptionist = factories.actor_of(factories.make_user(Role.RECEPTIONIST))
    return recording.pay(receptionist, appointment.id, 100, Method.CASH, reference=None, key=None).payment.id


def _paid(appointment: Appointment, reader: User) -> object:
    _payment(appointment, reader)
    return appointment.id


def _failed_message(appointment: Appointment, _reader: User) -> object:
    failed = Notification.objects(subject=appointment.id, version=len(appointment.history)).first()
    Notification.objects(id=failed.id).update(set__state=State.FAILED)
    return failed.id


PUBLIC = {
    ("GET", "/dashboard"),
    ("GET", SIGN_IN),
    ("POST", SIGN_IN),
    ("POST", f"{SIGN_IN}/code"),
    ("POST", "/dashboard/preferences"),
    ("GET", "/dashboard/static/<string:name>"),
}
_APPOINTMENT = "/dashboard/appointments/<object_id:appointment_id>"
_REQUEST = "/dashboard/requests/<object_id:appointment_id>"
_NEW = "/dashboard/appointments/new"
_BOOKING = {
    "key": "a-key-of-the-form",
    "mobileNumber": "9876543210",
    "name": "Asha Verma",
    "person": "self",
    "when": "{doctor}/{tomorrow}/10:30",
}
_MOVE = {"key": "a-key-of-the-form", "when": "{doctor}/{tomorrow}/10:30"}
_QUESTION = {"askedDoctor": "{doctor}", "askedDate": "{tomorrow}", "askedTime": "10:30"}
_CORRECTION = "/dashboard/payments/<object_id:payment_id>/correction"
_MINE = "/dashboard/my-day/appointments/<object_id:appointment_id>"
_FINDINGS = {"notes": "Throat is red", "prescription": ""}
_MONEY = {"amount": "100", "method": "cash", "reason": "Called away"}
TABLE: dict[tuple[str, str], Page] = {
    ("POST", "/dashboard/sign-out"): Page(STAFF),
    ("GET", "/dashboard/awake"): Page(STAFF),
    ("GET", "/dashboard/locked"): Page(STAFF, opens=(302,)),  # it is not locked
    ("POST", "/dashboard/lock"): Page(STAFF),
    ("POST", "/dashboard/unlock/code"): Page(STAFF),
    ("POST", "/dashboard/unlock"): Page(STAFF, form={"otp": "123456"}, opens=(400,)),  # there is no such code
    ("GET", "/dashboard/day"): Page(STAFF),
    ("GET", "/dashboard/day/live"): Page(STAFF),
    ("GET", f"{_APPOINTMENT}/cancel"): Page(STAFF),
    ("GET", f"{_APPOINTMENT}/done"): Page(STAFF),
    ("POST", f"{_APPOINTMENT}/confirm"): Page(STAFF, frozenset({Role.DOCTOR}), Status.PENDING),
    ("POST", f"{_APPOINTMENT}/arrive"): Page(STAFF),
    ("POST", f"{_APPOINTMENT}/call"): Page(STAFF, steps=("arrive",)),
    ("POST", f"{_APPOINTMENT}/skip"): Page(STAFF, steps=("arrive", "call")),
    ("POST", f"{_APPOINTMENT}/recall"): Page(STAFF, steps=("arrive", "call", "skip")),
    ("POST", f"{_APPOINTMENT}/undo"): Page(STAFF, steps=("arrive", "call")),
    ("POST", f"{_APPOINTMENT}/start"): Page(STAFF, STAFF - TREATING, steps=("arrive", "call")),
    ("POST", f"{_APPOINTMENT}/done"): Page(STAFF, STAFF - TREATING, Status.IN_PROGRESS),
    ("POST", f"{_APPOINTMENT}/no-show"): Page(STAFF),
    ("POST", f"{_APPOINTMENT}/cancel"): Page(STAFF),
    ("GET", "/dashboard/requests"): Page(DESK),
    ("GET", "/dashboard/requests/live"): Page(DESK),
    ("GET", f"{_REQUEST}/reject"): Page(DESK, status=Status.PENDING),
    ("POST", f"{_REQUEST}/reject"): Page(DESK, status=Status.PENDING, form={"reason": "The doctor is away"}),
    ("POST", f"{_REQUEST}/confirm"): Page(DESK, status=Status.PENDING),
    ("GET", f"{_APPOINTMENT}/move"): Page(STAFF, frozenset({Role.DOCTOR}), is_tomorrow=True),
    ("POST", f"{_APPOINTMENT}/move"): Page(STAFF, frozenset({Role.DOCTOR}), form=_MOVE, is_tomorrow=True),
    ("POST", f"{_APPOINTMENT}/move/times"): Page(STAFF, frozenset({Role.DOCTOR}), is_tomorrow=True),
    ("GET", _NEW): Page(DESK),
    ("POST", _NEW): Page(DESK, form=_BOOKING),
    ("POST", f"{_NEW}/person"): Page(DESK, form={"who": "9876543210"}),
    ("POST", f"{_NEW}/search"): Page(DESK, form={"who": "asha"}),
    ("POST", f"{_NEW}/<object_id:appointment_id>/arrive"): Page(STAFF),
    ("POST", f"{_NEW}/times"): Page(DESK),
    ("POST", f"{_NEW}/duplicates"): Page(DESK),
    ("POST", f"{_NEW}/explain"): Page(DESK, form=_QUESTION),
    ("GET", _APPOINTMENT): Page(STAFF),
    ("GET", f"{_APPOINTMENT}/live"): Page(STAFF),
    ("GET", f"{_APPOINTMENT}/slip"): Page(STAFF),
    ("GET", f"{_APPOINTMENT}/accesses"): Page(frozenset({Role.ADMIN})),
    ("POST", "/dashboard/messages/<object_id:message_id>/resend"): Page(DESK, record=_failed_message),
    ("GET", "/dashboard/files/<string:filename>"): Page(STAFF, record=factories.make_file),
    ("GET", f"{_APPOINTMENT}/payment"): Page(DESK),
    ("POST", f"{_APPOINTMENT}/payment"): Page(DESK, form=_MONEY),
    ("GET", f"{_APPOINTMENT}/refund"): Page(DESK),
    ("POST", f"{_APPOINTMENT}/refund"): Page(DESK, record=_paid, form=_MONEY),
    ("GET", _CORRECTION): Page(DESK, record=_payment),
    ("POST", _CORRECTION): Page(DESK, record=_payment, form=_MONEY),
    ("GET", "/dashboard/payments/<object_id:payment_id>/receipt"): Page(DESK, record=_payment),
    ("GET", "/dashboard/my-day"): Page(DOCTOR),
    ("GET", "/dashboard/my-day/live"): Page(DOCTOR),
    ("GET", f"{_MINE}/earlier"): Page(DOCTOR),
    ("POST", f"{_MINE}/call"): Page(DOCTOR, steps=("arrive",)),
    ("POST", f"{_MINE}/start"): Page(DOCTOR, steps=("arrive", "call")),
    ("POST", f"{_MINE}/skip"): Page(DOCTOR, steps=("arrive", "call")),
    ("POST", f"{_MINE}/undo"): Page(DOCTOR, steps=("arrive", "call")),
    ("POST", f"{_MINE}/no-show"): Page(DOCTOR),
    ("GET", f"{_MINE}/notes"): Page(DOCTOR),
    ("POST", f"{_MINE}/notes"): Page(DOCTOR, status=Status.IN_PROGRESS, form=_FINDINGS),
    ("POST", f"{_MINE}/done"): Page(DOCTOR, status=Status.IN_PROGRESS, form=_FINDINGS),
}
ALL = [pytest.param(route, role, id=f"{role} {' '.join(route)}") for route in sorted(TABLE) for role in sorted(STAFF)]


def test_every_page_has_a_row(app: Flask) -> None:
    found = {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if is_page(rule.rule)
    }

    assert found == PUBLIC | TABLE.keys()


@pytest.mark.parametrize(("route", "role"), ALL)
def test_role_opens_its_pages_only(app: Flask, client: FlaskClient, route: tuple[str, str], role: Role) -> None:
    page, browser = TABLE[route], browser_of(app, role)

    response = open_page(browser, route, page.record(appointment_for(page, browser), browser.user))

    refused = role not in page.roles or role in page.by_rule
    assert (response.status_code == 403) is refused, response.text
    assert refused or response.status_code in page.opens


def test_the_records_of_another_doctor_are_not_found(app: Flask, client: FlaskClient) -> None:
    browser, another = browser_of(app, Role.DOCTOR), browser_of(app, Role.DOCTOR)
    appointment = appointment_for(Page(STAFF), another)
    routes = {route: page for route, page in TABLE.items() if "<" in route[1] and Role.DOCTOR in page.roles}

    found = {
        route: open_page(browser, route, page.record(appointment, another.user)).status_code
        for route, page in routes.items()
    }

    assert found == dict.fromkeys(routes, 404)


WHILE_LOCKED = {
    ("POST", "/dashboard/sign-out"): 204,
    ("GET", "/dashboard/locked"): 200,
    ("POST", "/dashboard/unlock/code"): 200,
    ("POST", "/dashboard/unlock"): 400,
    ("POST", f"{_MINE}/notes"): 403,  # only with the token of the form, which stores what was typed before
}


@pytest.mark.parametrize("role", sorted(STAFF))
def test_while_a_screen_is_locked_only_its_code_and_the_way_out_work(
    app: Flask, client: FlaskClient, role: Role
) -> None:
    user = browser_of(app, role).user
    record = factories.make_appointment(None, user if role is Role.DOCTOR else None).id
    found = {}
    for route in TABLE:
        browser = Browser(app, user)
        Session.objects(id=browser.session_id).update(set__last_input_at=clock.now() - timedelta(hours=1))
        found[route] = open_page(browser, route, record).status_code

    allowed = {route for route, page in TABLE.items() if role in page.roles}
    expected = {route: WHILE_LOCKED.get(route, 423 if route in allowed else 403) for route in TABLE}
    assert found == expected


def test_a_patient_with_a_cookie_is_refused(app: Flask, client: FlaskClient) -> None:
    browser = Browser(app, factories.make_user())

    assert statuses_of(browser, TABLE) == dict.fromkeys(TABLE, 403)


def _without_cookie(_app: Flask, browser: Browser) -> None:
    browser.client.delete_cookie("arthomed")


def _revoked(_app: Flask, browser: Browser) -> None:
    Session.objects(id=browser.session_id).delete()


def _api_token_as_cookie(app: Flask, browser: Browser) -> None:
    token = factories.sign_in(app, browser.user).access_token
    browser.client.set_cookie("arthomed", token)
    with app.app_context():
        browser.csrf_token = get_csrf_token(token)


@pytest.mark.parametrize("spoil", [_without_cookie, _revoked, _api_token_as_cookie])
def test_without_a_live_session_each_page_leads_to_the_sign_in(
    app: Flask, client: FlaskClient, spoil: Callable[[Flask, Browser], None]
) -> None:
    for route in TABLE:
        browser = browser_of(app, Role.ADMIN)
        spoil(app, browser)
        response = open_page(browser, route, factories.UNKNOWN_ID)
        assert (response.status_code, response.headers.get("HX-Redirect")) == (401, SIGN_IN), route
        assert "arthomed=;" in response.headers["Set-Cookie"]


def test_a_bearer_token_opens_no_page(app: Flask, client: FlaskClient) -> None:
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    headers = {"HX-Request": "true", "Origin": "http://localhost", **admin.headers}

    found = {route: client.open(path_of(route), method=route[0], headers=headers).status_code for route in TABLE}

    assert found == dict.fromkeys(TABLE, 401)


def test_the_cookie_opens_nothing_of_the_api(app: Flask, client: FlaskClient) -> None:
    browser = browser_of(app, Role.ADMIN)
    token = browser.client.get_cookie("arthomed")

    as_cookie = browser.get("/api/auth/me")
    as_bearer = client.get("/api/auth/me", headers={"Authorization": f"Bearer {token and token.value}"})

    assert [factories.error_of(one) for one in (as_cookie, as_bearer)] == [(401, "NO_TOKEN"), (401, "INVALID_TOKEN")]


WRITES = [route for route in sorted([*TABLE, *PUBLIC]) if route[0] == "POST"]


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://localhost:8080", "http://localhost.evil"]
)
def test_a_form_of_another_origin_is_refused(app: Flask, client: FlaskClient, origin: str | None) -> None:
    browser = browser_of(app, Role.ADMIN)
    headers = {**browser.headers, "Origin": origin}

    found = {route: browser.client.post(path_of(route), headers=_given(headers)).status_code for route in WRITES}

    assert found == dict.fromkeys(WRITES, 403)


@pytest.mark.parametrize("csrf_token", [None, "", "wrong", "\xe9"])
def test_a_request_without_the_token_of_the_page_is_refused(
    app: Flask, client: FlaskClient, csrf_token: str | None
) -> None:
    browser, routes = browser_of(app, Role.ADMIN), [route for route in WRITES if route in TABLE]
    headers = {**browser.headers, "X-CSRF-TOKEN": csrf_token}

    found = {route: browser.client.post(path_of(route), headers=_given(headers)).status_code for route in routes}

    assert found == dict.fromkeys(routes, 403)


def test_an_error_of_the_program_is_not_taken_for_a_forged_request(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_actor(*_: object) -> None:
        raise TypeError

    browser = browser_of(app, Role.ADMIN)
    monkeypatch.setitem(app.extensions, "find_actor", find_actor)

    assert browser.get("/dashboard/day").status_code == 500


def _given(headers: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if value is not None}


def statuses_of(browser: Browser, routes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {route: open_page(browser, route, factories.UNKNOWN_ID).status_code for route in routes}


def browser_of(app: Flask, role: Role) -> Browser:
    return Browser(app, factories.make_doctor() if role is Role.DOCTOR else factories.make_user(role))


def appointment_for(page: Page, browser: Browser) -> Appointment:
    """An appointment of today that the browser's user sees, in the state of the row."""
    doctor = browser.user if browser.user.role is Role.DOCTOR else factories.make_doctor()
    appointment = factories.make_appointment(None, doctor)
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    if page.status is not Status.PENDING:
        transitions.change_status(admin, appointment.id, Status.CONFIRMED)
    if not page.is_tomorrow:
        queued(appointment.id, page.steps)
    if page.status is Status.IN_PROGRESS:
        transitions.change_status(admin, appointment.id, Status.IN_PROGRESS)
    found: Appointment = Appointment.objects.get(id=appointment.id)
    return found


def open_page(browser: Browser, route: tuple[str, str], record: object) -> TestResponse:
    path = path_of(route, record)
    form = form_of(TABLE[route], record) if route in TABLE else {}
    response = browser.post(path, **form) if route[0] == "POST" else browser.get(path, is_partial=True)
    response.get_data()  # so that a file is closed
    return response


def form_of(page: Page, record: object) -> dict[str, str]:
    found = Appointment.objects(id=record).first() if isinstance(record, ObjectId) else None
    values = {"doctor": found.doctor_id if found else record, "tomorrow": factories.tomorrow()}
    return {name: text.format(**values) for name, text in page.form.items()}


def path_of(route: tuple[str, str], record: object = factories.UNKNOWN_ID) -> str:
    return re.sub("<object_id:.*?>|<string:filename>", str(record), route[1]).replace("<string:name>", "dashboard.css")
