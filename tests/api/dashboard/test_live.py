"""Each screen that shows what changes is polled: 204 while it is the same, else the new part, and no read twice."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import Now
from tests.api.files import file_requests
from tests.browser import clinic
from tests.browser.clinic import Doctor
from tests.factories import Browser, SignedIn

_PART = re.compile(
    r"""<div class="part" data-version="(\w+)" hx-get="([^"]+)".*? hx-target="([^"]+)".*? hx-vals='([^']*)'(.*)""",
    re.DOTALL,
)
_APPOINTMENT = "/dashboard/appointments/{id}"
_DOCTOR, _DESK = Role.DOCTOR, Role.RECEPTIONIST


@pytest.fixture(autouse=True)
def _early_in_a_minute(now: Now) -> None:
    """Waits are shown in minutes."""
    now.move_to(clock.now().replace(second=2) + timedelta(minutes=1))


@dataclass(frozen=True)
class Part:
    """A part as the browser has it."""

    version: str
    url: str
    place: str
    filters: dict[str, str]
    text: str

    @classmethod
    def of(cls, text: str) -> "Part":
        [(version, url, place, filters, shown)] = _PART.findall(text.partition("</main>")[0])
        return cls(version, unescape(url), unescape(place), json.loads(unescape(filters)), shown)

    def poll(self, browser: Browser) -> TestResponse:
        headers = {"X-Version": self.version}
        return browser.get(self.url, is_partial=True, headers=headers, query_string=self.filters)


@dataclass(frozen=True)
class Clinic:
    """Two patients of a doctor: Asha, whose appointment changes, and Ravi."""

    app: Flask
    doctor: Doctor
    asha: Appointment

    def browser(self, role: Role) -> Browser:
        return Browser(self.app, self.doctor.user if role is Role.DOCTOR else factories.make_user(role))

    def put(self, path: str, caller: User, **body: str) -> None:
        """Change the appointment over the API."""
        headers = factories.sign_in(self.app, caller).headers
        url = f"/api/appointments/{self.asha.id}{path}"
        factories.data_of(self.app.test_client().put(url, json=body, headers=headers))

    @property
    def patient(self) -> SignedIn:
        return factories.sign_in(self.app, User.objects.get(id=self.asha.patient_id))


@pytest.fixture
def rooms(app: Flask, client: FlaskClient) -> Clinic:
    del client  # the database is empty now
    doctor = clinic.make_doctor()
    doctor.add("Ravi Kumar", minutes=200)
    return Clinic(app, doctor, doctor.add("Asha Verma", minutes=220))


def _open(clinic: Clinic, browser: Browser, path: str, *, is_panel: bool = False) -> Part:
    path = path.format(id=clinic.asha.id, doctor=clinic.doctor.user.id)
    return Part.of(browser.get(path, is_partial=is_panel).text)


SCREENS = {
    "day": ("/dashboard/day", _DESK),
    "day of an admin": ("/dashboard/day", Role.ADMIN),
    "day of a doctor": ("/dashboard/day", _DOCTOR),
    "columns": ("/dashboard/day?view=columns", _DESK),
    "filtered day": ("/dashboard/day?state=expected&search=asha&doctor={doctor}", _DESK),
    "requests": ("/dashboard/requests", _DESK),
    "my day": ("/dashboard/my-day", _DOCTOR),
    "appointment": (_APPOINTMENT, _DESK),
    "appointment of a doctor": (_APPOINTMENT, _DOCTOR),
    "appointment of an admin": (_APPOINTMENT, Role.ADMIN),
}
_EVERY_SCREEN = pytest.mark.parametrize(
    ("path", "role", "is_panel"),
    [pytest.param(*row, False, id=name) for name, row in SCREENS.items()]
    + [pytest.param(*row, True, id=f"{name}, panel") for name, row in SCREENS.items() if row[0] == _APPOINTMENT],
)


@_EVERY_SCREEN
def test_a_screen_is_polled_and_shows_a_change_over_the_api(
    rooms: Clinic,
    path: str,
    role: Role,
    is_panel: bool,  # noqa: FBT001
) -> None:
    browser = rooms.browser(role)
    shown = _open(rooms, browser, path, is_panel=is_panel)
    read = reads_of(browser)
    assert read
    assert [shown.poll(browser).status_code for _ in range(3)] == [204] * 3

    rooms.put("/status", factories.make_user(Role.ADMIN), status="confirmed")

    changed = shown.poll(browser)
    assert (changed.status_code, changed.headers["X-Version"] != shown.version) == (200, True)
    newer = Part.of(changed.text)
    assert (newer.version, newer.url, newer.place) == (changed.headers["X-Version"], shown.url, shown.place)
    assert [newer.poll(browser).status_code for _ in range(3)] == [204] * 3
    again = reads_of(browser)[len(read) :]
    assert {kind for kind, _ in again} <= {Kind.MESSAGE}  # the confirmation
    assert not {record for _, records in again for record in records} & {one for _, records in read for one in records}


def test_every_polled_route_is_of_a_screen_of_the_table(app: Flask) -> None:
    polled = {rule.rule for rule in app.url_map.iter_rules() if rule.rule.endswith("/live")}
    screens = {path.partition("?")[0].replace("{id}", "<object_id:appointment_id>") for path, _ in SCREENS.values()}

    assert polled == {f"{screen}/live" for screen in screens}


def _note(rooms: Clinic) -> None:
    rooms.put("", rooms.doctor.user, notes="Throat is red")


def _cancel_in_the_app(rooms: Clinic) -> None:
    rooms.put("/cancel", rooms.patient.user)


def _pay(rooms: Clinic) -> None:
    headers = factories.sign_in(rooms.app, factories.make_user(Role.ADMIN)).headers
    url = f"/api/appointments/{rooms.asha.id}/payments"
    response = rooms.app.test_client().post(url, json={"amount": 300, "method": "cash"}, headers=headers)
    factories.data_of(response, 201)


def _send_by_a_worker(rooms: Clinic) -> None:
    message = Notification.objects(subject=rooms.asha.id, state=State.WAITING).first()
    assert notifications.send(message.id) is State.SENT


def _upload_in_the_app(rooms: Clinic) -> None:
    file_requests.upload_files(rooms.app.test_client(), rooms.patient, rooms.asha.id)


def _arrive_on_another_screen(rooms: Clinic) -> None:
    rooms.put("/status", factories.make_user(Role.ADMIN), status="confirmed")
    rooms.browser(_DESK).post(f"/dashboard/appointments/{rooms.asha.id}/arrive")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(_note, "Throat is red", id="notes over the API"),
        pytest.param(_cancel_in_the_app, "Cancelled", id="cancelled in the app"),
        pytest.param(_pay, "₹300", id="payment over the API"),
        pytest.param(_send_by_a_worker, "sent, ", id="message sent by a worker"),
        pytest.param(_upload_in_the_app, "picture.png", id="file from the app"),
        pytest.param(_arrive_on_another_screen, "Token 1", id="arrived on another screen"),
    ],
)
def test_an_appointment_shows_what_anybody_changes(rooms: Clinic, change: Callable[[Clinic], None], words: str) -> None:
    browser = rooms.browser(Role.ADMIN)
    shown = _open(rooms, browser, _APPOINTMENT, is_panel=True)
    assert shown.poll(browser).status_code == 204
    assert words not in shown.text

    change(rooms)

    assert words in shown.poll(browser).text


def test_what_a_poll_shows_for_the_first_time_is_a_read_once(rooms: Clinic) -> None:
    browser = rooms.browser(_DESK)
    shown = _open(rooms, browser, _APPOINTMENT, is_panel=True)
    _pay(rooms)

    for _ in range(3):
        shown.poll(browser)

    payments = [event for event in events_of(browser) if event.kind is Kind.PAYMENT]
    assert [len(event.records) for event in payments if event.records] == [1]


def test_each_time_an_appointment_is_opened_is_a_read(rooms: Clinic) -> None:
    browser = rooms.browser(_DESK)

    for _ in range(2):
        _open(rooms, browser, _APPOINTMENT, is_panel=True).poll(browser)

    opened = [event for event in events_of(browser) if event.kind is Kind.MESSAGE]
    assert len(opened) == 2


def test_another_session_of_the_user_that_gets_a_kept_part_has_read_it(rooms: Clinic) -> None:
    first = rooms.browser(_DESK)
    second = Browser(rooms.app, first.user)
    shown = _open(rooms, first, _APPOINTMENT)
    shown.poll(first)

    second.get(shown.url, is_partial=True)

    sessions = {event.session for event in events_of(first) if event.kind is Kind.APPOINTMENT}
    assert sessions == {first.session_id, second.session_id}


def test_who_may_not_see_an_appointment_any_more_loads_the_page_again(rooms: Clinic) -> None:
    browser = rooms.browser(_DOCTOR)
    shown = _open(rooms, browser, _APPOINTMENT)
    other = factories.make_doctor(factories.every_day("09:00", "09:30", max_patients=20))
    day, time = factories.tomorrow().isoformat(), "09:00"
    move = {"appointmentDate": day, "appointmentTime": time, "doctorId": str(other.id)}
    rooms.put("/reschedule", factories.make_user(_DESK), **move)

    response = shown.poll(browser)

    assert (response.status_code, response.headers["HX-Refresh"]) == (404, "true")
    assert "Asha Verma" not in response.text


def events_of(browser: Browser) -> list[AuditEvent]:
    audit.flush()
    return list(AuditEvent.objects(actor=browser.user.id, action__in=[Action.READ, Action.SEARCH]).order_by("at"))


def reads_of(browser: Browser) -> list[tuple[Kind, list[object]]]:
    return [(event.kind, event.records) for event in events_of(browser)]
