"""axe, long names and hostile ones on the screens of the desk: requests, new appointment, move."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.dashboard.i18n import LANGUAGES
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.browser.conftest import NARROW, WIDE
from tests.browser.test_accessibility import HOSTILE, LONG_NAMES, is_too_wide, violations

OpenPage = Callable[..., Page]
NUMBER = "9876543210"


def make_desk(name: str = "Asha Verma") -> Appointment:
    """A patient with a family and a request, and a second doctor with another fee."""
    doctor = factories.make_doctor(factories.every_day("00:00", "24:00"), name="Dr Meera Iyer")
    factories.make_doctor(name="Dr Arjun Rao", fee=900)
    patient = factories.make_user(name=name, mobile_number=NUMBER)
    parts = {"name": name, "relationship": "son"}
    family.add(factories.actor_of(patient), patient.id, parts)
    factories.make_appointment(factories.make_user(name="Ravi Kumar"), doctor, time="10:30")
    return factories.make_appointment(patient, doctor, time="10:00")


def looked_at(open_page: OpenPage, user: User, asked: Appointment, check: Callable[[Page], Any], **look: Any) -> None:
    """Look at each screen of the desk with its dialogs."""
    page = open_page(user, "/dashboard/requests", **look)
    check(page)
    for opener in (f"#reject-{asked.id}", f"#move-{asked.id}"):
        page.locator(opener).click()
        expect(page.locator("#dialog form")).to_be_visible()
        check(page)
        page.locator("#dialog [data-closes]").click()
    page.locator("[data-key=N]").click()
    page.locator("#booking-mobile").fill(NUMBER)
    check(page)
    page.keyboard.press("Enter")
    page.locator("[name=person]").last.check()
    page.locator("summary").click()
    page.locator("[name=onDate]").fill(str(factories.tomorrow()))
    with page.expect_response("**/new/times"):
        page.locator("[name=atTime]").fill("10:10")
        page.locator("[name=atTime]").blur()
    check(page)
    page.locator("[name=person]").nth(1).check()
    page.locator("[name=when]").first.check()
    page.locator(".booking .primary").click()
    expect(page.locator(".booked")).to_be_visible()
    check(page)


def found_by_axe(open_page: OpenPage, user: User, **look: Any) -> list[str]:
    found: list[str] = []
    looked_at(open_page, user, make_desk(), lambda page: found.extend(violations(page)), **look)
    return found


def test_axe_finds_no_violation_at_the_desk(open_page: OpenPage, receptionist: User) -> None:
    assert found_by_axe(open_page, receptionist, size=NARROW, scheme="dark", language="hi", expects_errors=True) == []


@pytest.mark.long
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_no_violation_at_the_desk_in_any_language_theme_and_width(
    open_page: OpenPage, receptionist: User, size: tuple[int, int], scheme: str, language: str
) -> None:
    look = {"size": size, "scheme": scheme, "language": language, "expects_errors": True}
    assert found_by_axe(open_page, receptionist, **look) == []


@pytest.mark.parametrize("name", [LONG_NAMES[1], *(pytest.param(one, marks=pytest.mark.long) for one in LONG_NAMES)])
def test_long_names_never_break_the_desk(open_page: OpenPage, receptionist: User, name: str) -> None:
    wide: list[bool] = []

    def check(page: Page) -> None:
        dialog = "[...document.querySelectorAll('dialog[open]')].some((one) => one.scrollWidth > one.clientWidth)"
        wide.append(is_too_wide(page) or page.evaluate(dialog))

    looked_at(open_page, receptionist, make_desk(name[:100]), check, size=NARROW, expects_errors=True)

    assert not any(wide), wide


def test_hostile_names_run_nothing_at_the_desk(open_page: OpenPage, receptionist: User) -> None:
    asked, ran = make_desk(), []
    User.objects(mobile_number=NUMBER).update(set__name="".join(HOSTILE[1:3]))  # as an import could have stored it
    Appointment.objects(id=asked.id).update(set__reason="".join(HOSTILE))

    look = {"expects_errors": True}  # htmx logs polls that an action aborts
    looked_at(open_page, receptionist, asked, lambda page: ran.append(page.evaluate("window.pwned")), **look)

    assert set(ran) == {None}
