"""Notes and prescription on My day: saved while the doctor writes, and when the page is hidden or left."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.auth.models import Session
from arthomed.core import clock
from tests.browser import clinic
from tests.browser.conftest import NARROW

OpenPage = Callable[..., Page]
MY_DAY = "/dashboard/my-day"
SAVED = "Saved at "


@pytest.fixture
def doctor() -> clinic.Doctor:
    return clinic.make_doctor()


@pytest.fixture
def begun(doctor: clinic.Doctor) -> Appointment:
    return doctor.add("Asha Verma", "confirm", "arrive", "start")


def expect_stored(page: Page, appointment: Appointment, **texts: str) -> None:
    """Wait until the database has these texts."""
    found: Any = None
    for _ in range(100):
        found = Appointment.objects.get(id=appointment.id)
        if all(found[name] == text for name, text in texts.items()):
            return
        page.wait_for_timeout(100)
    assert {name: found[name] for name in texts} == texts


def status_of(page: Page) -> Any:
    return page.locator("#my-day .saved")


def test_a_prescription_is_saved_while_it_is_typed(
    open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
) -> None:
    page = open_page(doctor.user, MY_DAY, size=NARROW)
    page.get_by_label("Notes").fill("Throat is red")
    page.get_by_label("Prescription").click()
    page.keyboard.type("Paracetamol 500 mg")

    expect(status_of(page)).to_contain_text(SAVED, timeout=15_000)
    expect_stored(page, begun, notes="Throat is red", prescription="Paracetamol 500 mg")
    page.reload()
    expect(page.get_by_label("Prescription")).to_have_value("Paracetamol 500 mg")


def test_saved_is_said_of_the_stored_text_only(open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment) -> None:
    page = open_page(doctor.user, MY_DAY)
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        held.append(route) if not held else route.continue_()

    page.route("**/notes", hold_the_first)
    page.get_by_label("Notes").fill("Throat")
    expect(status_of(page)).to_have_text("Not saved yet")
    while not held:
        page.wait_for_timeout(50)

    page.get_by_label("Notes").fill("Throat is red")
    with page.expect_response("**/notes"):
        held[0].continue_()

    expect(status_of(page)).to_have_text("Not saved yet")
    expect(status_of(page)).to_contain_text(SAVED, timeout=15_000)
    expect_stored(page, begun, notes="Throat is red")


def test_what_is_typed_is_saved_when_the_page_is_left(
    open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
) -> None:
    page = open_page(doctor.user, MY_DAY)
    page.get_by_label("Prescription").click()
    page.keyboard.type("Paracetamol 500 mg")

    page.goto("/dashboard/day")

    expect_stored(page, begun, prescription="Paracetamol 500 mg")


def test_what_is_typed_is_saved_when_the_phone_is_locked(
    open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
) -> None:
    page = open_page(doctor.user, MY_DAY, size=NARROW)
    page.get_by_label("Prescription").click()
    page.keyboard.type("Paracetamol")

    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )

    expect(status_of(page)).to_contain_text(SAVED)
    expect_stored(page, begun, prescription="Paracetamol")


@pytest.mark.parametrize("way", ["nobody was here", "Lock", "Done and next"])
def test_what_is_typed_is_saved_when_the_screen_is_locked(
    open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment, way: str
) -> None:
    page = open_page(doctor.user, MY_DAY, size=NARROW, expects_errors=True)
    if way != "Lock":
        minutes_ago = clock.now() - timedelta(minutes=11)
        Session.objects(user=doctor.user.id).update(set__last_input_at=minutes_ago)
    page.get_by_label("Prescription").click()
    page.keyboard.type("Paracetamol")
    if way != "nobody was here":
        page.get_by_role("button", name=way).click()

    expect(page.get_by_role("heading", name="Locked")).to_be_visible(timeout=15_000)
    expect_stored(page, begun, prescription="Paracetamol", status=Status.IN_PROGRESS)


def test_a_save_that_fails_is_tried_again(open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment) -> None:
    page = open_page(doctor.user, MY_DAY, expects_errors=True)
    page.route("**/notes", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.get_by_label("Notes").fill("Throat is red")
    expect(status_of(page)).to_have_text("Not saved yet")

    page.unroute("**/notes")

    expect(status_of(page)).to_contain_text(SAVED, timeout=20_000)
    expect_stored(page, begun, notes="Throat is red")


class TestDone:
    def test_nothing_written_asks_first_and_keeps_the_focus_where_it_was(
        self, open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
    ) -> None:
        page = open_page(doctor.user, MY_DAY)
        dialog = page.get_by_role("dialog")

        page.get_by_role("button", name="Done and next").press("Enter")
        expect(dialog.get_by_role("button", name="Go on")).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("button", name="Done and next")).to_be_focused()
        assert Appointment.objects.get(id=begun.id).status is Status.IN_PROGRESS
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Done and next").press("Enter")

        expect(page.get_by_text("Nobody is waiting.")).to_be_visible()
        expect(dialog).to_be_hidden()
        assert Appointment.objects.get(id=begun.id).status is Status.COMPLETED

    def test_a_patient_who_is_done_can_still_get_a_prescription(
        self, open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
    ) -> None:
        page = open_page(doctor.user, MY_DAY, size=NARROW)
        page.get_by_label("Notes").fill("Throat is red")
        page.get_by_role("button", name="Done and next").click()

        page.get_by_role("button", name="Notes and prescription").click()
        dialog = page.get_by_role("dialog", name="Asha Verma")
        expect(dialog.get_by_label("Notes")).to_have_value("Throat is red")
        dialog.get_by_label("Prescription").fill("Paracetamol 500 mg")
        page.keyboard.press("Escape")

        expect(dialog).to_be_hidden()
        expect_stored(page, begun, status=Status.COMPLETED, prescription="Paracetamol 500 mg")


def test_an_older_screen_leaves_what_another_screen_wrote(
    open_page: OpenPage, doctor: clinic.Doctor, begun: Appointment
) -> None:
    older, newer = open_page(doctor.user, "/dashboard/my-day"), open_page(doctor.user, "/dashboard/my-day")
    newer.get_by_label("Notes").fill("Throat is red")
    expect(newer.get_by_text("Saved at")).to_be_visible()

    older.get_by_label("Prescription").fill("Paracetamol 500 mg")
    older.get_by_role("button", name="Done and next").click()
    expect(older.get_by_role("heading", name="Done today", exact=True)).to_be_visible()

    found = Appointment.objects.get(id=begun.id)
    assert (found.notes, found.prescription) == ("Throat is red", "Paracetamol 500 mg")
