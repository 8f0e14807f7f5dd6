"""Two screens stay in step, and of two desks that book one time one gets it."""

import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.conftest import set_hidden

OpenPage = Callable[..., Page]
_MAX_SECONDS = 4


def test_a_step_on_one_screen_is_seen_on_another(open_page: OpenPage, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    first, second = open_page(receptionist), open_page(receptionist)

    row(first, asha).get_by_role("button", name="Arrived").click()
    expect(row(first, asha)).to_have_attribute("data-state", "waiting")
    began = time.monotonic()
    expect(row(second, asha)).to_have_attribute("data-state", "waiting")

    assert time.monotonic() - began <= _MAX_SECONDS


def test_a_screen_that_shows_the_present_state_gets_no_list(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm", minutes=300)
    page = open_page(receptionist)

    with page.expect_response("**/dashboard/day/live*") as answer:
        pass

    assert answer.value.status == 204


def test_a_hidden_screen_asks_nothing_and_asks_at_once_when_it_is_shown(
    open_page: OpenPage, receptionist: User
) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    set_hidden(page, is_hidden=True)
    clinic.take("arrive", asha)
    page.wait_for_timeout(4_000)
    assert requests == []
    set_hidden(page, is_hidden=False)

    expect(row(page, asha)).to_have_attribute("data-state", "waiting", timeout=1_500)


def test_of_two_desks_one_gets_a_time_and_the_other_is_offered_the_nearest(
    open_page: OpenPage, receptionist: User
) -> None:
    factories.make_doctor(factories.every_day("00:00", "24:00"), name="Dr Meera Iyer")
    colleague = factories.make_user(Role.RECEPTIONIST)
    desks = [open_page(one, "/dashboard/appointments/new", expects_errors=True) for one in (receptionist, colleague)]
    for number, desk in zip(("9876543210", "9876543211"), desks, strict=True):
        desk.get_by_label("Mobile number").fill(number)
        desk.keyboard.press("Enter")
        desk.get_by_label("Name", exact=True).fill("Asha Verma")
        desk.get_by_label("Reason").fill("Fever since Sunday")
    wanted = str(desks[0].locator("[name=when]").nth(2).get_attribute("value"))

    for desk in desks:
        desk.locator(f"[name=when][value='{wanted}']").check()
    for desk in desks:  # neither waits for the answer
        desk.evaluate("document.querySelector('.booking').requestSubmit()")
    for desk in desks:
        expect(desk.locator(".booked, #when-error")).to_be_visible()
    [refused] = [desk for desk in desks if desk.locator("#when-error").count()]
    expect(refused.get_by_text("Time slot already booked")).to_be_visible()
    expect(refused.locator("[name=when]")).to_have_count(3)
    expect(refused.get_by_label("Name", exact=True)).to_have_value("Asha Verma")
    expect(refused.get_by_label("Reason")).to_have_value("Fever since Sunday")
    refused.locator("[name=when]").first.check()
    refused.get_by_role("button", name="Book").click()

    expect(refused.get_by_role("heading", name="Booked")).to_be_visible()
    assert len({one.starts_at for one in Appointment.objects}) == 2
