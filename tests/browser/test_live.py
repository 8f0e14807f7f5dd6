"""Two screens stay in step, and one without a server says so and keeps what it has."""

import os
import signal
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from arthomed.users.models import User
from tests.browser import clinic
from tests.browser.clinic import row
from tests.stack import Stack

OpenPage = Callable[..., Page]


def test_a_step_on_one_screen_is_seen_on_another(open_page: OpenPage, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm")
    first, second = open_page(receptionist), open_page(receptionist)

    row(first, asha).get_by_role("button", name="Arrived").click()
    expect(row(first, asha)).to_have_attribute("data-state", "waiting")
    began = time.monotonic()
    expect(row(second, asha)).to_have_attribute("data-state", "waiting")

    assert time.monotonic() - began <= 4


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

    _set_hidden(page, is_hidden=True)
    clinic.take("arrive", asha)
    page.wait_for_timeout(4_000)
    assert requests == []
    _set_hidden(page, is_hidden=False)

    expect(row(page, asha)).to_have_attribute("data-state", "waiting", timeout=1_500)


def _set_hidden(page: Page, *, is_hidden: bool) -> None:
    page.evaluate(
        """(hidden) => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )


@pytest.mark.long
def test_a_server_that_does_not_answer_is_shown_and_nothing_is_lost(
    open_page: OpenPage, receptionist: User, server: Stack
) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(receptionist, expects_errors=True)
    row(page, asha).get_by_role("button", name="Cancel").click()
    page.get_by_label("Reason").fill("Called in")

    assert server.web
    os.kill(server.web.pid, signal.SIGTERM)
    server.web.wait()
    expect(page.locator("#connection")).to_contain_text("No connection. This is as of", timeout=5_000)
    page.get_by_role("button", name="Cancel the appointment").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("No connection")
    expect(page.get_by_label("Reason")).to_have_value("Called in")
    expect(row(page, asha)).to_have_count(1)
    server.start_web()
    server.wait_until_live()
    page.get_by_role("button", name="Cancel the appointment").click()

    expect(row(page, asha)).to_have_attribute("data-state", "cancelled", timeout=5_000)
    expect(page.locator("#connection")).to_be_hidden(timeout=5_000)
