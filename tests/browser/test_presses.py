"""Each press does one thing: twice, at once, held down, late, and when nobody looks."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row

OpenPage = Callable[..., Page]


def test_polling_goes_on_after_two_steps_at_once(open_page: OpenPage, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    one, other = doctor.add("Asha Verma", "confirm"), doctor.add("Ravi Kumar", "confirm")
    page = open_page(receptionist)

    with page.expect_response("**/arrive"), page.expect_response("**/arrive"):
        page.keyboard.press("ArrowDown")
        page.keyboard.press("a")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("a")
    for appointment in (one, other):
        expect(row(page, appointment)).to_have_attribute("data-state", "waiting")

    with page.expect_response("**/day/live*", timeout=8_000):
        pass


def test_a_key_that_is_held_down_confirms_one_request(open_page: OpenPage, receptionist: User) -> None:
    doctor = factories.make_doctor(factories.every_day("00:00", "24:00"))
    for time in ("10:00", "10:30", "11:00"):
        factories.make_appointment(factories.make_user(), doctor, time=time)
    page = open_page(receptionist, "/dashboard/requests")

    page.keyboard.down("Enter")
    for left in (2, 2):
        page.keyboard.down("Enter")
        expect(page.locator("tr[data-state=pending]")).to_have_count(left)
    page.keyboard.up("Enter")
    page.keyboard.press("Enter")

    expect(page.locator("tr[data-state=pending]")).to_have_count(1)


def test_a_late_dialog_does_not_replace_what_is_typed(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(receptionist)
    held: list[Route] = []
    page.route("**/cancel*", lambda route: held.append(route))  # noqa: PLW0108  Playwright sets attributes on it

    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    page.keyboard.press("n")
    page.locator("#booking-mobile").fill("98765")
    for route in held:
        route.continue_()
    page.unroute("**/cancel*")
    with page.expect_response("**/day/live*", timeout=8_000):
        pass

    assert len(held) == 1
    expect(page.locator("#booking-mobile")).to_have_value("98765")


def test_undo_without_a_chosen_row_undoes_what_was_done_last(open_page: OpenPage, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    called, waiting = doctor.add("Asha Verma", "confirm", "arrive"), doctor.add("Ravi Kumar", "confirm", "arrive")
    page = open_page(receptionist)

    page.keyboard.press("c")
    expect(page.locator("#said")).to_contain_text("Asha Verma")
    expect(row(page, called)).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("u")

    for appointment in (called, waiting):
        expect(row(page, appointment)).to_have_attribute("data-state", "waiting")


def test_calling_when_nobody_can_be_called_is_said(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)

    page.keyboard.press("c")

    expect(page.locator("#said")).to_have_text("Nobody can be called now.")


def test_a_click_leaves_the_list_where_it_is(open_page: OpenPage, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    appointments = [doctor.add("Asha Verma", "confirm") for _ in range(20)]
    page = open_page(receptionist)
    page.mouse.move(600, 500)
    page.mouse.wheel(0, 500)
    page.wait_for_function("scrollY === 500")

    row(page, appointments[12]).get_by_role("button", name="Arrived").click()
    expect(row(page, appointments[12])).to_have_attribute("data-state", "waiting")

    assert page.evaluate("scrollY") == 500


def test_a_date_that_is_typed_opens_when_it_is_complete(open_page: OpenPage, receptionist: User) -> None:
    page = open_page(receptionist)

    page.get_by_label("Date").focus()
    page.keyboard.type("11112026")
    page.keyboard.press("Enter")

    page.wait_for_url("**date=2026-11-11")


def test_a_screen_that_nobody_uses_shows_nothing_also_without_a_server(open_page: OpenPage, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist, expects_errors=True)
    page.route("**/day/live*", lambda route: route.abort())

    page.evaluate("Date.now = ((now) => () => now() + 700_000)(Date.now)")
    expect(row(page, asha)).to_be_hidden(timeout=8_000)
    page.unroute("**/day/live*")
    page.keyboard.press("ArrowDown")

    expect(row(page, asha)).to_be_visible()


def test_a_slip_that_nobody_closes_goes_after_five_minutes(open_page: OpenPage, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)
    page.clock.install()
    page.goto(f"/dashboard/appointments/{asha.id}/slip")
    expect(page.get_by_text("Asha Verma")).to_be_visible()

    page.clock.fast_forward("05:01")

    page.wait_for_url("**/dashboard/day")
