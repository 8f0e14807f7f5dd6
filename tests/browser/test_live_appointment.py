"""One appointment stays up to date, in the panel and on its page, and the reader keeps the place in it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row

OpenPage = Callable[..., Page]


def test_a_step_elsewhere_appears_in_the_open_panel_and_in_the_list_below(
    open_page: OpenPage, receptionist: User
) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)
    page.get_by_role("link", name="Asha Verma").click()
    dialog = page.get_by_role("dialog", name="Asha Verma")

    clinic.take("arrive", asha)

    expect(dialog).to_contain_text("Arrived, token 1")
    expect(row(page, asha)).to_have_attribute("data-state", "waiting")
    expect(dialog.get_by_role("heading", name="Asha Verma")).to_have_count(1)


def test_focus_and_what_is_open_stay_when_the_panel_is_drawn_again(open_page: OpenPage) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(factories.make_user(Role.ADMIN, name="Kavita Desai"))
    page.get_by_role("link", name="Asha Verma").click()
    dialog = page.get_by_role("dialog", name="Asha Verma")
    dialog.get_by_text("Who looked at it").click()
    expect(dialog.get_by_role("table")).to_contain_text("Kavita Desai")
    dialog.get_by_role("button", name="Cancel", exact=True).focus()

    clinic.take("arrive", asha)

    expect(dialog).to_contain_text("Arrived, token 1")
    expect(dialog.get_by_role("table")).to_contain_text("Kavita Desai")
    expect(dialog.get_by_role("button", name="Cancel", exact=True)).to_be_focused()


def test_a_closed_panel_asks_nothing_and_stays_closed(open_page: OpenPage, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)
    page.get_by_role("link", name="Asha Verma").click()
    expect(page.get_by_role("dialog", name="Asha Verma")).to_be_visible()
    page.keyboard.press("Escape")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    clinic.take("arrive", asha)

    expect(row(page, asha)).to_have_attribute("data-state", "waiting")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [url for url in requests if f"{asha.id}/live" in url] == []


def test_a_form_in_the_dialog_keeps_what_is_typed_while_the_appointment_changes(
    open_page: OpenPage, receptionist: User
) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(receptionist, f"/dashboard/appointments/{asha.id}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_label("Reason").fill("Called in")

    clinic.take("arrive", asha)

    expect(page.locator("#live")).to_contain_text("Arrived, token 1")
    expect(page.get_by_label("Reason")).to_have_value("Called in")
