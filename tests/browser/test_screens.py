"""Each screen is accessible, keeps hard names in their place, and runs nothing that a name holds."""

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
from tests.browser import clinic, morning
from tests.browser.conftest import NARROW, SCHEMES, SIZES, WIDE, WIDEST, look_as
from tests.browser.names import ALL_HOSTILE, HOSTILE, LONG
from tests.browser.screens import walk

OpenPage = Callable[..., Page]
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
_LENGTHEN = """() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        if (text.data.trim()) text.data = text.data.replace(/[A-Za-z]{3,}/g, (word) => word + "enungs");
    }
}"""


def violations(page: Page) -> list[str]:
    """What axe finds; it is loaded once into a page."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(Axe().axe_script)
    found: list[dict[str, Any]] = page.evaluate("async (options) => (await axe.run(options)).violations", _OPTIONS)
    return [f"{one['id']}: {node['html']} {node.get('failureSummary')}" for one in found for node in one["nodes"]]


def too_wide(page: Page) -> list[str]:
    """What is wider than the window, or than the dialog that is open."""
    found: list[str] = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll("dialog[open], .day, .sheet, .card")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1)
            .map((one) => `${one.tagName} ${one.className} ${one.scrollWidth} > ${one.clientWidth}`)"""
    )
    return found


class TestAxe:
    def test_axe_is_at_work(self, open_page: OpenPage) -> None:
        page = open_page(None, "/dashboard/sign-in")

        page.evaluate("document.querySelector('label').remove()")

        assert [one.partition(":")[0] for one in violations(page)] == ["label"]

    def test_axe_finds_no_violation_on_any_screen(self, open_page: OpenPage) -> None:
        look: dict[str, Any] = {"size": NARROW, "scheme": "dark", "language": "hi"}

        found = {screen.name: violations(page) for screen, page in walk(open_page, morning.make(), **look)}

        assert {name: some for name, some in found.items() if some} == {}

    @pytest.mark.matrix
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_axe_finds_no_violation_in_any_language_theme_and_width(self, open_page: OpenPage, language: str) -> None:
        found = []
        for screen, page in walk(open_page, morning.make(), language=language):
            for size in SIZES:
                for scheme in SCHEMES:
                    look_as(page, size, scheme)
                    found += [(screen.name, size[0], scheme, one) for one in violations(page)]

        assert found == []


class TestLongTexts:
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param(LONG[0], marks=pytest.mark.long),
            *(pytest.param(one, marks=pytest.mark.matrix) for one in LONG[1:]),
        ],
        ids=lambda one: one[:5],
    )
    def test_long_names_and_a_language_of_longer_words_break_no_screen(self, open_page: OpenPage, name: str) -> None:
        visited, found = morning.make(), []
        morning.overwrite_texts(name)

        for screen, page in walk(open_page, visited):
            for size in (WIDEST, WIDE, NARROW):
                look_as(page, size)
                found += [(screen.name, str(size[0]), one) for one in too_wide(page)]
            page.evaluate(_LENGTHEN)
            found += [(screen.name, "longer words", one) for one in too_wide(page)]

        assert found == []


class TestHostileTexts:
    @pytest.mark.long
    def test_hostile_texts_run_nothing_and_are_shown_as_they_are_on_any_screen(self, open_page: OpenPage) -> None:
        visited, found = morning.make(), []
        morning.overwrite_texts(ALL_HOSTILE)

        for screen, page in walk(open_page, visited):
            is_shown = ALL_HOSTILE[: screen.letters] in page.evaluate("document.body.textContent")
            found += [] if is_shown else [(screen.name, "it is not shown as it is")]
            found += [(screen.name, one) for one in _elements_of_names(page)]

        assert found == []

    def test_each_hostile_name_is_a_row_of_the_day(self, open_page: OpenPage) -> None:
        doctors = [clinic.make_doctor() for _ in range(3)]
        for place, name in enumerate(HOSTILE):
            appointment = doctors[place % 3].add("Asha Verma", "confirm")
            User.objects(id=appointment.patient_id).update(set__name=name)  # as an import could have stored it
            Appointment.objects(id=appointment.id).update(set__reason=name)

        page = open_page(factories.make_user(Role.ADMIN))

        assert sorted(page.locator(".who .name").all_text_contents()) == sorted(HOSTILE)
        assert _elements_of_names(page) == []
        page.get_by_role("searchbox").fill(HOSTILE[0])
        expect(page.locator("tr[data-appointment]")).to_have_count(1)


def _elements_of_names(page: Page) -> list[str]:
    """Elements that are made of a name, and what its scripts did."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll("[pwned], [onerror], [onload], [onfocus], base, iframe, object, embed")]
            .map((one) => one.outerHTML).concat(window.pwned ? ["a script ran"] : [])"""
    )
    return found
