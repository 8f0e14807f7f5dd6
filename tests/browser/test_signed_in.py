"""Who is signed in, locking the screen, and pages that are shown again by the browser's Back."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.conftest import NARROW, WIDE

OpenPage = Callable[..., Page]
LANGUAGE = "[name=arthomed_language]"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
def test_the_header_names_who_is_signed_in(open_page: OpenPage, size: tuple[int, int]) -> None:
    page = open_page(factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew"), size=size)

    expect(page.get_by_role("banner")).to_contain_text("Joseph Mathew reception")
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_l_locks_at_once_and_a_new_code_opens_the_same_page(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist, "/dashboard/day?state=expected")
    expect(page.get_by_role("main")).to_contain_text("Asha Verma")

    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    expect(page.get_by_text("Asha Verma")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Code")).to_be_focused()
    page.keyboard.type(factories.code_for(receptionist.mobile_number))
    page.keyboard.press("Enter")

    page.wait_for_url("**/day?state=expected")
    expect(page.get_by_role("main")).to_contain_text("Asha Verma")


def test_back_from_a_locked_screen_shows_nothing(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)
    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    expect(page.get_by_text("Asha Verma")).to_have_count(0)


def test_a_page_that_the_browser_kept_is_loaded_again(open_page: OpenPage, receptionist: User) -> None:
    clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)

    with page.expect_navigation():
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(page.get_by_role("main")).to_contain_text("Asha Verma")


def test_back_after_a_change_of_the_language_shows_the_one_that_is_chosen(
    open_page: OpenPage, receptionist: User
) -> None:
    page = open_page(receptionist)
    choose(page, "mr")
    page.goto("/dashboard/requests")
    choose(page, "en")

    page.go_back()

    page.wait_for_url("**/dashboard/day")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(LANGUAGE)).to_have_value("en")
    choose(page, "mr")


def choose(page: Page, language: str) -> Any:
    with page.expect_navigation():
        page.locator(LANGUAGE).select_option(language)
    expect(page.locator("html")).to_have_attribute("lang", language)
