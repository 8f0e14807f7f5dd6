"""Requests: what waits for confirmation, confirmed and rejected one after the other."""

from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import desk, transitions
from arthomed.appointments.service.desk import DeskBooking
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.core.permissions import Role
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

REQUESTS = "/dashboard/requests"


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    return Browser(app, factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew"))


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    return factories.make_doctor(name="Dr Meera Iyer")


def ask(doctor: User, name: str, time: str) -> Appointment:
    return factories.make_appointment(factories.make_user(name=name), doctor, time=time)


class _Rows(HTMLParser):
    """The rows of the list, and which button has the focus."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.states: dict[str, str] = {}
        self.focused: str | None = None
        self.version = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "tr" and "data-appointment" in found:
            self.states[str(found["data-appointment"])] = str(found["data-state"])
        if "autofocus" in found and "id" in found:  # the closed dialog of keys has one of its own
            self.focused = found.get("id")
        self.version = found.get("data-version") or self.version


def test_the_oldest_request_comes_first_with_the_day_around_it(browser: Browser, doctor: User) -> None:
    late, early = ask(doctor, "Asha Verma", "10:00"), ask(doctor, "Ravi Kumar", "09:30")

    page = browser.get(REQUESTS).text

    rows = _Rows(page)
    assert list(rows.states) == [str(late.id), str(early.id)]
    assert rows.focused == f"confirm-{late.id}"
    assert page.count("Others that day: 1") == 2
    assert '<span class="time asked">09:30</span> <b class="time">10:00</b>' in page


def test_without_a_request_the_page_says_so(browser: Browser) -> None:
    assert "Nothing waits for confirmation." in browser.get(REQUESTS).text


def test_a_confirmed_request_leaves_the_list_and_the_next_one_has_the_focus(browser: Browser, doctor: User) -> None:
    first, second, third = (ask(doctor, "Asha Verma", time) for time in ("09:00", "09:30", "10:00"))

    page = browser.post(f"{REQUESTS}/{second.id}/confirm")

    rows = _Rows(page.text)
    assert list(rows.states) == [str(first.id), str(third.id)]
    assert rows.focused == f"confirm-{third.id}"
    assert "Asha Verma: Confirmed" in page.headers["HX-Trigger"]
    assert Appointment.objects.get(id=second.id).status is Status.CONFIRMED


def test_after_the_last_request_the_first_one_has_the_focus(browser: Browser, doctor: User) -> None:
    first, last = ask(doctor, "Asha Verma", "09:00"), ask(doctor, "Ravi Kumar", "09:30")

    assert _Rows(browser.post(f"{REQUESTS}/{last.id}/confirm").text).focused == f"confirm-{first.id}"


def test_a_rejection_needs_a_reason(browser: Browser, doctor: User) -> None:
    asked = ask(doctor, "Asha Verma", "09:00")

    refused = browser.post(f"{REQUESTS}/{asked.id}/reject", reason=" ")
    rejected = browser.post(f"{REQUESTS}/{asked.id}/reject", reason="The doctor is away")

    assert (refused.status_code, refused.headers["HX-Retarget"]) == (400, "#dialog")
    assert "A reason is needed." in refused.text
    assert _Rows(rejected.text).states == {}
    stored = Appointment.objects.get(id=asked.id)
    assert (stored.status, stored.history[-1].reason) == (Status.REJECTED, "The doctor is away")


@pytest.mark.parametrize("step", ["confirm", "reject"])
def test_a_request_that_somebody_else_decided_says_by_whom(
    app: Flask, browser: Browser, doctor: User, step: str
) -> None:
    decided, waiting = ask(doctor, "Asha Verma", "09:00"), ask(doctor, "Ravi Kumar", "09:30")
    other = factories.make_user(Role.ADMIN, name="Kavita Desai")
    transitions.change_status(factories.actor_of(other), decided.id, Status.CONFIRMED)

    page = browser.post(f"{REQUESTS}/{decided.id}/{step}", reason="The doctor is away")

    rows = _Rows(page.text)
    assert rows.states == {str(decided.id): "confirmed", str(waiting.id): "pending"}
    assert rows.focused == f"confirm-{waiting.id}"
    assert "Kavita Desai" in page.text


def _by_admin(appointment: Appointment) -> None:
    admin = factories.make_user(Role.ADMIN, name="Kavita Desai")
    transitions.change_status(factories.actor_of(admin), appointment.id, Status.REJECTED, reason="The doctor is away")


def _by_patient(appointment: Appointment) -> None:
    transitions.cancel(factories.actor_of(appointment.patient), appointment.id, reason=None)


@pytest.mark.parametrize(
    ("decide", "words"), [(_by_admin, ("Rejected", "Kavita Desai")), (_by_patient, ("Cancelled", "by the patient"))]
)
def test_a_poll_keeps_what_was_shown_and_is_decided_meanwhile(
    browser: Browser, doctor: User, decide: Callable[[Appointment], None], words: tuple[str, str]
) -> None:
    asked = ask(doctor, "Asha Verma", "09:00")
    decide(asked)

    page = browser.get(f"{REQUESTS}/live?shown={asked.id},nonsense", is_partial=True).text

    assert all(word in page for word in words)
    assert "confirm-" not in page
    assert str(asked.id) not in browser.get(f"{REQUESTS}/live", is_partial=True).text


def test_what_one_decided_oneself_is_not_kept(browser: Browser, doctor: User) -> None:
    asked = ask(doctor, "Asha Verma", "09:00")
    browser.post(f"{REQUESTS}/{asked.id}/confirm")

    assert _Rows(browser.get(f"{REQUESTS}/live?shown={asked.id}", is_partial=True).text).states == {}


def test_a_booking_at_the_desk_is_no_request(browser: Browser, doctor: User) -> None:
    patient, tomorrow = factories.make_user(name="Asha Verma"), factories.tomorrow()
    booking = DeskBooking(
        doctor.id, "consultation", patient_id=patient.id, appointment_date=tomorrow, appointment_time="09:00"
    )
    booked = desk.book(factories.actor_of(browser.user), booking).appointment

    polled = browser.get(f"{REQUESTS}/live?shown={booked.id}", is_partial=True)
    confirmed = browser.post(f"{REQUESTS}/{booked.id}/confirm")

    assert (polled.status_code, _Rows(polled.text).states) == (200, {})
    assert (confirmed.status_code, _Rows(confirmed.text).states) == (200, {})


def test_an_unchanged_poll_has_no_content_and_a_new_request_changes_it(browser: Browser, doctor: User) -> None:
    first = ask(doctor, "Asha Verma", "09:00")
    address = f"{REQUESTS}/live?shown={first.id}"
    version = browser.get(address, is_partial=True).headers["X-Version"]
    headers = {"X-Version": version, "HX-Request": "true"}

    unchanged = browser.client.get(address, headers=headers)
    second = ask(factories.make_doctor(), "Ravi Kumar", "09:00")
    changed = browser.client.get(address, headers=headers)

    assert (unchanged.status_code, changed.status_code) == (204, 200)
    assert list(_Rows(changed.text).states) == [str(first.id), str(second.id)]


def test_a_family_members_request_names_the_member(browser: Browser, doctor: User) -> None:
    parent = factories.make_user(name="Asha Verma")
    actor = factories.actor_of(parent)
    member = family.add(actor, parent.id, {"name": "Aarav Verma", "relationship": "son"}).dependent
    factories.make_appointment(parent, doctor, dependent_id=member.id)

    page = browser.get(REQUESTS).text

    assert page.index("Aarav Verma") < page.index("Asha Verma")


def test_the_list_is_recorded_once_and_polling_records_nothing(browser: Browser, doctor: User) -> None:
    asked = ask(doctor, "Asha Verma", "09:00")
    for _ in range(3):
        browser.get(f"{REQUESTS}/live?shown={asked.id}", is_partial=True)

    audit.flush()
    reads = AuditEvent.objects(actor=browser.user.id, action=Action.READ)

    assert [event.subjects for event in reads] == [[asked.patient_id]]
