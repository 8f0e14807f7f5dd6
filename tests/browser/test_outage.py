"""The server stops and comes back: screens say so, keep what is typed, and are in step again by themselves."""

import os
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.users.models import User
from tests.browser import clinic
from tests.browser.clinic import row
from tests.stack import Stack, wait_for

OpenPage = Callable[..., Page]
_MAX_MS = 5_000


@pytest.mark.long
def test_a_stopped_server_is_shown_and_nothing_that_is_typed_is_lost(
    open_page: OpenPage, receptionist: User, server: Stack
) -> None:
    doctor = clinic.make_doctor(hours=("00:00", "24:00"))
    treated, expected = doctor.add("Ravi Kumar", "confirm", "arrive", "start"), doctor.add("Asha Verma", "confirm")
    day, new = (open_page(receptionist, expects_errors=True) for _ in range(2))
    mine = open_page(doctor.user, "/dashboard/my-day", expects_errors=True)
    row(day, expected).get_by_role("button", name="Cancel").click()
    day.get_by_label("Reason").fill("Called in")
    new.get_by_role("link", name="New appointment").click()
    new.get_by_label("Mobile number").fill("9876543210")
    new.keyboard.press("Enter")
    new.get_by_label("Name", exact=True).fill("Grace Mathew")

    _stop(server)
    mine.get_by_label("Notes").fill("Throat is red")
    for page in (day, new, mine):
        expect(page.locator("#connection")).to_contain_text("No connection. This is as of", timeout=_MAX_MS)
    day.get_by_role("button", name="Cancel the appointment").click()
    new.get_by_role("button", name="Book").click()
    for page in (day, new):
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("No connection")
    expect(row(day, expected)).to_have_count(1)
    server.start_web()
    server.wait_until_live()

    for page in (day, new, mine):
        expect(page.locator("#connection")).to_be_hidden(timeout=_MAX_MS)
    wait_for(lambda: Appointment.objects.get(id=treated.id).notes == "Throat is red", what="stored notes")
    expect(day.get_by_label("Reason")).to_have_value("Called in")
    expect(new.get_by_label("Name", exact=True)).to_have_value("Grace Mathew")
    day.get_by_role("button", name="Cancel the appointment").click()
    expect(row(day, expected)).to_have_attribute("data-state", "cancelled")
    new.get_by_role("button", name="Book").click()
    expect(new.get_by_role("heading", name="Booked")).to_be_visible()


def _stop(server: Stack) -> None:
    assert server.web
    os.kill(server.web.pid, signal.SIGTERM)
    server.web.wait()
