"""All screens of the dashboard, and how to reach each: what checks the looks of pages walks through them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from playwright.sync_api import Page

from arthomed.users.models import User
from tests import factories
from tests.browser import morning
from tests.browser.morning import MAX_NAME, NEW_NUMBER, NUMBER, SIMILAR_NUMBER, Morning

OpenPage = Callable[..., Page]


@dataclass(frozen=True)
class Screen:
    """A screen, or one with a dialog over it: who opens it, how, and how many letters of names it shows."""

    name: str
    user: Callable[[Morning], User | None]
    reach: Callable[[Page, Morning], Any]
    letters: int | None = None
    is_refused: bool = False


def walk(
    open_page: OpenPage, visited: Morning, only: Callable[[Screen], bool] = lambda _: True, **look: Any
) -> Iterator[tuple[Screen, Page]]:
    """Reach one screen after the other, each in the window of its user; some leave entries that the next ones show."""
    windows: dict[Any, Page] = {}
    for screen in SCREENS:
        if not only(screen):
            continue
        user = screen.user(visited)
        window = (user and user.id, screen.is_refused)
        if window not in windows:
            windows[window] = open_page(user, "about:blank", expects_errors=screen.is_refused, **look)
        screen.reach(windows[window], visited)
        yield screen, windows[window]


def _nobody(_: Morning) -> None:
    return None


def _desk(visited: Morning) -> User:
    return visited.desk


def _admin(visited: Morning) -> User:
    return visited.admin


def _at(path: str) -> Callable[[Page, Morning], Any]:
    return lambda page, _: page.goto(f"/dashboard/{path}")


def _dialog(page: Page, path: str, opener: str) -> None:
    page.goto(f"/dashboard/{path}")
    page.locator(opener).click()
    page.locator("dialog[open] h2").wait_for()


def _keys(page: Page, _: Morning) -> None:
    page.goto("/dashboard/day")
    page.keyboard.press("Shift+Slash")  # narrow screens have no button for it
    page.locator("#keys[open]").wait_for()


def _code(page: Page, visited: Morning) -> None:
    page.goto("/dashboard/sign-in")
    page.locator("#mobile").fill(visited.desk.mobile_number)
    page.keyboard.press("Enter")
    page.locator("#code").wait_for()


def _locked(page: Page, _: Morning) -> None:
    page.goto("/dashboard/day")
    if "/locked" not in page.url:
        page.locator("[data-key=L]").click()
    page.locator("#unlock").wait_for()


def _locked_code(page: Page, visited: Morning) -> None:
    _locked(page, visited)
    page.locator("#unlock .primary").click()
    page.locator("#code").wait_for()


def _appointment(page: Page, visited: Morning) -> None:
    page.goto(f"/dashboard/appointments/{visited.paid.id}")
    page.locator("summary").click()
    page.locator(".accesses").wait_for()


def _receipt(page: Page, visited: Morning) -> None:
    page.goto(f"/dashboard/appointments/{visited.paid.id}")
    page.goto(str(page.locator(".entries .links a").first.get_attribute("href")))


def _number(page: Page, number: str = NUMBER) -> None:
    _dialog(page, "day", "[data-key=N]")
    page.locator("#booking-mobile").fill(number)


def _person(page: Page, number: str = NUMBER) -> None:
    _number(page, number)
    page.keyboard.press("Enter")
    page.locator("[name=when]").first.wait_for()


def _new_patient(page: Page, _: Morning) -> None:
    _person(page, NEW_NUMBER)
    name = User.objects.get(mobile_number=SIMILAR_NUMBER).name
    page.locator("#booking-name").fill("".join(letter for letter in name if category(letter)[0] in "LMZ"))
    page.locator(".duplicates").wait_for()


def _new_member(page: Page, _: Morning) -> None:
    """The form of a new member of the family, and the answer to a time that does not exist."""
    _person(page)
    page.locator("[name=person]").last.check()
    page.locator(".times summary").click()
    page.locator("[name=onDate]").fill(str(factories.tomorrow()))
    page.locator("[name=atTime]").fill("10:10")
    page.locator("[name=atTime]").blur()
    page.locator(".refused button").click()
    page.locator(".reasons").wait_for()


def _refused_name(page: Page, _: Morning) -> None:
    _person(page, NEW_NUMBER)
    page.locator(".booking .primary").click()
    page.locator(".booking .error").first.wait_for()


def _booked(page: Page, _: Morning) -> None:
    _person(page)
    page.locator("[name=person]").nth(1).check()
    page.locator(".booking .primary").click()
    page.locator(".booked").wait_for()


def _recorded(page: Page, visited: Morning) -> None:
    _dialog(page, "day", f"#payment-{visited.expected.id}")
    page.keyboard.press("Enter")
    page.locator("#dialog a.button").wait_for()


def _earlier(page: Page, _: Morning) -> None:
    _dialog(page, "my-day", "[hx-get$=earlier]")


def _without_requests(page: Page, _: Morning) -> None:
    morning.decide_requests()
    page.goto("/dashboard/requests")


def _over_day(opener: Callable[[Morning], str]) -> Callable[[Page, Morning], None]:
    return lambda page, visited: _dialog(page, "day", opener(visited))


def _over_appointment(opener: str) -> Callable[[Page, Morning], None]:
    return lambda page, visited: _dialog(page, f"appointments/{visited.paid.id}", f"main {opener}")


SCREENS = [
    Screen("sign-in", _nobody, _at("sign-in"), letters=0),
    Screen("sign-in-code", _nobody, _code, letters=0),
    Screen("day", _desk, _at("day")),
    Screen("day-doctors", _desk, _at("day?view=columns")),
    Screen("day-empty", _desk, _at("day?date=2031-01-01"), letters=0),
    Screen("day-keys", _desk, _keys),
    Screen("day-cancel", _desk, _over_day(lambda visited: f"#cancel-{visited.expected.id}")),
    Screen("day-done", _admin, _over_day(lambda _: "[data-state=in-progress] [id^=done-]")),
    Screen("day-move", _desk, _over_day(lambda visited: f"#move-{visited.expected.id}")),
    Screen("day-payment", _desk, _over_day(lambda visited: f"#payment-{visited.expected.id}")),
    Screen("day-appointment", _desk, _over_day(lambda visited: f"#name-{visited.paid.id}")),
    Screen("requests", _desk, _at("requests")),
    Screen("requests-reject", _desk, lambda page, visited: _dialog(page, "requests", f"#reject-{visited.request.id}")),
    Screen("new-number", _desk, lambda page, _: _number(page)),
    Screen("new-person", _desk, lambda page, _: _person(page)),
    Screen("new-patient", _desk, _new_patient, letters=MAX_NAME),
    Screen("new-why-not", _desk, _new_member),
    Screen("new-refused", _desk, _refused_name, is_refused=True),
    Screen("new-page", _desk, _at("appointments/new"), letters=0),
    Screen("appointment", _admin, _appointment),
    Screen("appointment-payment", _desk, _over_appointment("[hx-get$=payment]")),
    Screen("appointment-refund", _desk, _over_appointment("[hx-get$=refund]")),
    Screen("appointment-correction", _desk, _over_appointment("[hx-get$=correction]")),
    Screen("slip", _desk, lambda page, visited: page.goto(f"/dashboard/appointments/{visited.paid.id}/slip")),
    Screen("receipt", _desk, _receipt),
    Screen("my-day", lambda visited: visited.meera.user, _at("my-day")),
    Screen("my-day-next", lambda visited: visited.arjun.user, _at("my-day")),
    Screen("my-day-earlier", lambda visited: visited.arjun.user, _earlier),
    Screen("my-day-empty", lambda visited: visited.leela.user, _at("my-day"), letters=0),
    Screen("locked", _admin, _locked, letters=0),
    Screen("locked-code", _admin, _locked_code, letters=0),
    Screen("problem", _desk, _at(f"appointments/{factories.UNKNOWN_ID}"), letters=0, is_refused=True),
    Screen("new-booked", _desk, _booked),
    Screen("payment-recorded", _desk, _recorded),
    Screen("requests-empty", _desk, _without_requests, letters=0),
]
