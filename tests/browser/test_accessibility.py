"""axe finds nothing to complain about, and no text breaks a page: in each language, theme and width."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from arthomed.dashboard.i18n import LANGUAGES
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.conftest import NARROW, WIDE

OpenPage = Callable[..., Page]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
LONG_NAMES = [
    "Lakshmi Narayanan Subramanian Venkataraman Iyer-Krishnamoorthy of Thiruvananthapuram and Tiruchirappalli",
    "W" * 100,
    "कृष्णमूर्तिवेंकटरामनसुब्रमण्यन" * 3,
    "தமிழ்செல்விவேங்கடசுப்பிரமணியன்" * 3,
    "عائشہ صدیقہ بیگم بنت محمد یوسف خان " * 2,
]
HOSTILE = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\"'><svg onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "{{ 7*7 }}${7*7}<%= 7*7 %>",
    "</td></tr></table><h1>gone</h1>",
    "' hx-on:click='window.pwned=1' x='",
    "<div hx-get=/dashboard/sign-in hx-trigger=load></div>",
    "\u202egnp.exe",
    "<a href='https://evil.example'>free</a>",
    "&lt;b&gt;&amp;",
    "]]><!--",
]


def violations(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page, options={"runOnly": _TAGS}).response["violations"]
    return [f"{one['id']}: {node['html']} {node.get('failureSummary')}" for one in found for node in one["nodes"]]


def make_day() -> list[Appointment]:
    """An appointment at each stage, of two doctors; the last one can be cancelled."""
    meera, arjun = clinic.make_doctor(), clinic.make_doctor("Dr Arjun Rao")
    return [
        meera.add("Asha Verma", "confirm", "arrive", "start"),
        meera.add("Ravi Kumar", "confirm", "arrive", "call"),
        meera.add("अनिल देशपांडे", "confirm", "arrive"),
        arjun.add("Deepa Nair", "confirm", "arrive", "start", "done"),
        arjun.add("Grace D'Souza", "confirm", "no-show", minutes=-9),
        arjun.add("Imran Sheikh", "cancel", minutes=90),
        arjun.add("Rohan Mehta"),
        arjun.add("Bhavna Patel", "confirm", minutes=90),
    ]


def check_screens(open_page: OpenPage, user: User, **look: Any) -> list[str]:
    """What axe finds on each screen, with and without the dialogs."""
    found = violations(open_page(None, "/dashboard/sign-in", **look))
    last = make_day()[-1]
    page = open_page(user, "/dashboard/day", **look)
    found += violations(page)
    page.locator("[data-opens=keys]").click()
    found += violations(page)
    page.keyboard.press("Escape")
    page.locator(f"#cancel-{last.id}").click()
    expect(page.locator("#dialog")).to_be_visible()
    found += violations(page)
    page.goto("/dashboard/day?view=columns")
    return found + violations(page)


def test_axe_is_at_work(open_page: OpenPage) -> None:
    page = open_page(None, "/dashboard/sign-in")

    page.evaluate("document.querySelector('label').remove()")

    assert [one.partition(":")[0] for one in violations(page)] == ["label"]


def test_axe_finds_no_violation(open_page: OpenPage, receptionist: User) -> None:
    assert check_screens(open_page, receptionist, size=NARROW, scheme="dark", language="hi") == []


@pytest.mark.long
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_no_violation_in_any_language_theme_and_width(
    open_page: OpenPage, receptionist: User, size: tuple[int, int], scheme: str, language: str
) -> None:
    assert check_screens(open_page, receptionist, size=size, scheme=scheme, language=language) == []


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


@pytest.mark.parametrize(
    "size",
    [NARROW, *(pytest.param(one, marks=pytest.mark.long) for one in (WIDE, (2560, 1440)))],
    ids=lambda one: one[0],
)
def test_long_names_in_any_script_never_break_a_row(
    open_page: OpenPage, receptionist: User, size: tuple[int, int]
) -> None:
    doctor = clinic.make_doctor(LONG_NAMES[1])
    for name in LONG_NAMES:
        doctor.add(name[:100], "confirm", "arrive")

    page = open_page(receptionist, size=size)

    assert not is_too_wide(page)
    boxes = [box for one in page.locator("tr[data-appointment]").all() if (box := one.bounding_box())]
    assert len(boxes) == len(LONG_NAMES)
    assert [box for box in boxes if box["x"] < 0 or box["x"] + box["width"] > size[0] or box["height"] > 420] == []


def test_a_language_with_longer_words_fits_a_narrow_screen(open_page: OpenPage, receptionist: User) -> None:
    make_day()
    page = open_page(receptionist, size=NARROW)

    page.evaluate(
        """() => {
            const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (texts.nextNode()) {
                const text = texts.currentNode;
                if (text.data.trim()) text.data = text.data.replace(/[A-Za-z]{3,}/g, (word) => word + "enungs");
            }
        }"""
    )

    assert not is_too_wide(page)


def test_hostile_texts_run_nothing_and_are_shown_as_they_are(open_page: OpenPage) -> None:
    doctor = clinic.make_doctor()
    for name in HOSTILE:
        appointment = doctor.add("Asha Verma", "confirm", "arrive")
        User.objects(id=appointment.patient_id).update(set__name=name)  # as an import could have stored it
        Appointment.objects(id=appointment.id).update(set__reason=name)

    page = open_page(factories.make_user(Role.ADMIN))
    names = page.locator("tr[data-appointment] .name").all_inner_texts()
    page.get_by_role("searchbox").fill(HOSTILE[0])
    expect(page.locator("tr[data-appointment]")).to_have_count(1)

    assert sorted(names) == sorted(HOSTILE)
    assert page.evaluate("window.pwned") is None
    assert page.locator("h1").count() == 1
