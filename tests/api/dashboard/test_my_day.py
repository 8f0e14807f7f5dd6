"""A doctor's own day: who is next, notes and prescription, done and next."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import queue
from arthomed.http import cache
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import Now
from tests.factories import Browser

ADMIN = Actor(factories.UNKNOWN_ID, Role.ADMIN)
FINDINGS = {"notes": "Throat is red", "prescription": "Paracetamol 500 mg"}
Add = Callable[..., Appointment]


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    del client  # the database is empty now
    return factories.make_doctor(factories.every_day("00:00", "23:30"))


@pytest.fixture
def browser(app: Flask, doctor: User) -> Browser:
    return Browser(app, doctor)


@pytest.fixture
def add(doctor: User) -> Add:
    """Make a patient wait."""

    def add(name: str, *, minutes: int = 0, owner: User | None = None, **details: object) -> Appointment:
        taken = Appointment.objects(doctor_id=doctor.id).count()
        time = f"{taken // 2:02}:{taken % 2 * 30:02}"
        made = factories.make_appointment(owner or factories.make_user(name=name), doctor, time=time, **details)
        now, zone = clock.now() + timedelta(minutes=minutes), settings().policy.timezone
        Appointment.objects(id=made.id).update(
            set__starts_at=now,
            set__ends_at=now + timedelta(minutes=30),
            set__appointment_date=clock.midnight_utc(clock.today(zone)),
        )
        transitions.change_status(ADMIN, made.id, Status.CONFIRMED)
        queue.arrive(ADMIN, made.id, {})
        return made

    return add


def path_of(appointment: Appointment, action: str) -> str:
    return f"/dashboard/my-day/appointments/{appointment.id}/{action}"


def stored(appointment: Appointment) -> Appointment:
    found: Appointment = Appointment.objects.get(id=appointment.id)
    return found


def treat(appointment: Appointment, *, days_ago: int = 30, **parts: object) -> None:
    """Make it a treatment of an earlier day."""
    at = clock.now() - timedelta(days=days_ago)
    values = {"status": Status.COMPLETED, "starts_at": at, "appointment_date": clock.midnight_utc(at.date()), **parts}
    Appointment.objects(id=appointment.id).update(**{f"set__{name}": value for name, value in values.items()})


class TestLockedScreen:
    def test_what_was_typed_before_is_stored(self, browser: Browser, add: Add, now: Now) -> None:
        appointment = add("Asha Verma")
        browser.post(path_of(appointment, "start"))
        token = _form_token(browser.get("/dashboard/my-day").text)
        now.shift(timedelta(minutes=11))

        saved = browser.post(path_of(appointment, "notes"), **FINDINGS, formToken=token)
        shown = browser.get("/dashboard/my-day")

        assert (saved.status_code, stored(appointment).notes) == (200, FINDINGS["notes"])
        assert shown.location.startswith("/dashboard/locked")

    @pytest.mark.parametrize("is_of_another", [True, False])
    def test_nothing_is_stored_without_the_token_of_the_consultation(
        self, browser: Browser, add: Add, now: Now, *, is_of_another: bool
    ) -> None:
        appointment, another = add("Asha Verma"), add("Ravi Kumar", minutes=1)
        browser.post(path_of(appointment, "start"))
        token = _form_token(browser.get("/dashboard/my-day").text) if is_of_another else ""
        now.shift(timedelta(minutes=11))

        refused = browser.post(path_of(another if is_of_another else appointment, "notes"), **FINDINGS, formToken=token)

        assert refused.status_code == 403
        assert (stored(appointment).notes, stored(another).notes) == (None, None)


def _form_token(page: str) -> str:
    found = re.search(r'name="formToken" value="([^"]+)">\s*<label for="notes', page)
    assert found
    return found[1]


def test_a_screen_that_changed_nothing_ends_the_consultation_and_leaves_what_another_one_wrote(
    browser: Browser, add: Add
) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))
    browser.post(path_of(appointment, "notes"), **FINDINGS)

    response = browser.post(path_of(appointment, "done"))

    found = stored(appointment)
    assert (response.status_code, found.status, found.notes) == (200, Status.COMPLETED, FINDINGS["notes"])


def test_the_one_who_is_called_comes_before_those_who_wait(browser: Browser, add: Add) -> None:
    add("Asha Verma")
    called = add("Ravi Kumar", minutes=1)
    queue.call(ADMIN, called.id)

    text = browser.get("/dashboard/my-day").text

    assert 'id="next-title" dir="auto">Ravi Kumar' in text
    assert text.index("Ravi Kumar") < text.index("Asha Verma")


def test_nobody_waits(browser: Browser) -> None:
    assert "Nobody is waiting." in browser.get("/dashboard/my-day").text


def test_start_opens_the_notes(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")

    text = browser.post(path_of(appointment, "start")).text

    assert 'id="current-title" dir="auto">Asha Verma' in text
    assert 'name="prescription"' in text
    assert stored(appointment).status is Status.IN_PROGRESS


@pytest.mark.parametrize(
    ("steps", "stage"), [(("call",), "waiting"), (("call", "start"), "called"), (("call", "skip"), "called")]
)
def test_a_step_is_undone(browser: Browser, add: Add, steps: tuple[str, ...], stage: str) -> None:
    appointment = add("Asha Verma")
    for step in steps:
        page = browser.post(path_of(appointment, step)).text
    assert path_of(appointment, "undo") in page

    text = browser.post(path_of(appointment, "undo")).text

    assert f'data-state="{stage}"' in text
    assert 'id="next-title" dir="auto">Asha Verma' in text


def test_an_arrival_is_undone_by_the_desk_only(browser: Browser, add: Add) -> None:
    assert path_of(add("Asha Verma"), "undo") not in browser.get("/dashboard/my-day").text


def test_done_stores_what_is_typed_and_shows_the_next(browser: Browser, add: Add) -> None:
    first, _ = add("Asha Verma"), add("Ravi Kumar", minutes=1)
    browser.post(path_of(first, "start"))

    text = browser.post(path_of(first, "done"), **FINDINGS).text

    assert 'id="next-title" dir="auto">Ravi Kumar' in text
    found = stored(first)
    assert (found.status, found.notes, found.prescription) == (Status.COMPLETED, *FINDINGS.values())


def test_done_that_is_sent_again_after_a_lost_answer_changes_nothing(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))

    answers = [browser.post(path_of(appointment, "done"), **FINDINGS) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert [one.target for one in stored(appointment).history].count(Status.COMPLETED) == 1


def test_done_without_notes_and_prescription_asks_first(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))

    asked = browser.post(path_of(appointment, "done"), notes=" ", prescription="")

    assert (asked.status_code, asked.headers["HX-Retarget"]) == (200, "#dialog")
    assert stored(appointment).status is Status.IN_PROGRESS
    browser.post(path_of(appointment, "done"), notes="", prescription="", sure="yes")
    assert stored(appointment).status is Status.COMPLETED


@pytest.mark.parametrize("written", FINDINGS)
def test_done_with_notes_or_a_prescription_asks_nothing(browser: Browser, add: Add, written: str) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))

    browser.post(path_of(appointment, "done"), **{**dict.fromkeys(FINDINGS, ""), written: FINDINGS[written]})

    assert stored(appointment).status is Status.COMPLETED


def test_a_patient_who_is_done_can_still_get_a_prescription(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))
    text = browser.post(path_of(appointment, "done"), notes="Throat is red", prescription="").text

    assert "Done today" in text
    assert path_of(appointment, "notes") in text
    form = browser.get(path_of(appointment, "notes"), is_partial=True).text
    assert "Throat is red" in form
    browser.post(path_of(appointment, "notes"), **FINDINGS)
    found = stored(appointment)
    assert (found.status, found.prescription) == (Status.COMPLETED, FINDINGS["prescription"])


def test_what_is_typed_is_saved_meanwhile_and_can_be_cleared(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))

    assert browser.post(path_of(appointment, "notes"), **FINDINGS).text.startswith("Saved at ")
    assert FINDINGS["notes"] in browser.get("/dashboard/my-day").text
    browser.post(path_of(appointment, "notes"), **{**FINDINGS, "notes": " "})

    found = stored(appointment)
    assert (found.status, found.notes, found.prescription) == (Status.IN_PROGRESS, None, FINDINGS["prescription"])


def test_saving_the_same_again_is_no_change(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))
    for _ in range(3):
        browser.post(path_of(appointment, "notes"), **FINDINGS)

    changes = AuditEvent.objects(actor=browser.user.id, action=Action.CHANGE, records=appointment.id)

    assert len([one for one in changes if one.changes[0]["field"] == "notes"]) == 1


def test_the_line_says_when_the_consultation_changed_elsewhere(browser: Browser, add: Add) -> None:
    appointment = add("Asha Verma")
    browser.post(path_of(appointment, "start"))

    assert "has begun" in browser.get("/dashboard/my-day/live", is_partial=True).text
    current = f"/dashboard/my-day/live?current={appointment.id}"
    assert "ended elsewhere" not in browser.get(current, is_partial=True).text
    transitions.change_status(ADMIN, appointment.id, Status.COMPLETED)
    assert "ended elsewhere" in browser.get(current, is_partial=True).text


def test_an_unchanged_line_is_not_sent_again(browser: Browser, add: Add) -> None:
    add("Asha Verma")
    first = browser.get("/dashboard/my-day/live", is_partial=True)

    second = browser.get("/dashboard/my-day/live", is_partial=True, headers={"X-Version": first.headers["X-Version"]})

    assert second.status_code == 204


def test_within_a_minute_all_processes_draw_the_same_line(app: Flask, now: Now, browser: Browser, add: Add) -> None:
    minute = clock.now().replace(second=0, microsecond=0) + timedelta(minutes=1)
    now.move_to(minute + timedelta(seconds=30))
    queue.call(ADMIN, add("Asha Verma").id)

    versions = set()
    for seconds in (5, 40):  # between them the call cannot be undone any more
        now.move_to(minute + timedelta(minutes=10, seconds=seconds))
        cache.register(app)  # it is empty, as that of another process
        versions.add(browser.get("/dashboard/my-day/live", is_partial=True).headers["X-Version"])

    assert len(versions) == 1


class TestEarlier:
    def test_earlier_treatments_are_those_with_this_doctor(self, browser: Browser, doctor: User, add: Add) -> None:
        patient, another = factories.make_user(name="Asha Verma"), factories.make_doctor()
        treat(add("", owner=patient), notes="Seen here")
        treat(factories.make_appointment(patient, another), notes="Seen by another doctor")
        present = add("", owner=patient)
        del doctor

        text = browser.get(path_of(present, "earlier"), is_partial=True).text

        assert "Seen here" in text
        assert "Seen by another doctor" not in text

    def test_a_family_member_has_a_history_of_their_own(self, browser: Browser, add: Add) -> None:
        owner = factories.make_user(name="Asha Verma")
        child = family.add(factories.actor_of(owner), owner.id, {"name": "Rohan"}).dependent
        treat(add("", owner=owner), notes="Of the mother")
        treat(add("", owner=owner, dependent_id=child.id), notes="Of the child")

        of_child = browser.get(path_of(add("", owner=owner, dependent_id=child.id), "earlier"), is_partial=True).text
        of_mother = browser.get(path_of(add("", owner=owner), "earlier"), is_partial=True).text

        assert ("Of the child" in of_child, "Of the mother" in of_child) == (True, False)
        assert ("Of the child" in of_mother, "Of the mother" in of_mother) == (False, True)

    def test_they_are_reads_in_the_access_log(self, browser: Browser, add: Add) -> None:
        patient = factories.make_user()
        earlier = add("", owner=patient)
        treat(earlier)
        browser.get(path_of(add("", owner=patient), "earlier"), is_partial=True)
        audit.flush()

        assert AuditEvent.objects(actor=browser.user.id, action=Action.READ, records=earlier.id).count() == 1


@pytest.mark.parametrize(
    ("role", "screen", "first"),
    [
        (Role.DOCTOR, "narrow", "/dashboard/my-day"),
        (Role.DOCTOR, "", "/dashboard"),
        (Role.RECEPTIONIST, "narrow", "/dashboard"),
    ],
)
def test_doctors_land_on_their_day_on_narrow_screens(client: FlaskClient, role: Role, screen: str, first: str) -> None:
    user = factories.make_user(role)
    factories.request_code(client, user.mobile_number)
    form = {"mobileNumber": user.mobile_number, "otp": factories.code_for(user.mobile_number)}
    page = client.get("/dashboard/sign-in").text
    token = page.split('name="formToken" value="')[1].split('"')[0]

    headers = {"HX-Request": "true", "Origin": "http://localhost", "X-Screen": screen}
    response = client.post("/dashboard/sign-in", data={**form, "formToken": token}, headers=headers)

    assert response.headers["HX-Redirect"] == first
