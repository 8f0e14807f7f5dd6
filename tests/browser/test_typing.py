"""What is typed into a search is noted once, when typing pauses."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.users.models import User
from tests.browser import clinic
from tests.browser.clinic import row

OpenPage = Callable[..., Page]
_TYPE = """(text) => {
    const field = document.querySelector("#search");
    for (let end = 1; end <= text.length; end += 1) {
        field.value = text.slice(0, end);
        field.dispatchEvent(new Event("input", { bubbles: true }));
    }
}"""


def test_a_search_is_noted_once_typing_pauses_and_not_by_the_polls_that_follow(
    open_page: OpenPage, receptionist: User
) -> None:
    doctor = clinic.make_doctor()
    asha, ravi = doctor.add("Asha Verma", "confirm"), doctor.add("Ravi Kumar", "confirm")
    page = open_page(receptionist)

    page.evaluate(_TYPE, "asha")
    expect(row(page, ravi)).to_have_count(0)
    for _ in range(2):
        with page.expect_response("**/dashboard/day/live*search=asha*"):
            pass

    expect(row(page, asha)).to_have_count(1)
    assert searched(page, receptionist, until="asha") == ["", "asha"]


def searched(page: Page, user: User, *, until: str) -> list[str]:
    """What the user looked for, in order; the server stores it in the background."""
    for _ in range(100):
        events = AuditEvent.objects(actor=user.id, action=Action.SEARCH, kind=Kind.APPOINTMENT).order_by("at")
        found = [str(one.search.filters.get("search", "")) for one in events]
        if until in found:
            break
        page.wait_for_timeout(100)
    return found
