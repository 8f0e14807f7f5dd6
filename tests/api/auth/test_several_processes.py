"""Ended sessions and OTP attempts count in all web processes at once."""

from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.factories import in_parallel, wrong_code
from tests.stack import Stack, asleep

pytestmark = pytest.mark.long

_numbers = count(9_000_000_051)
Headers = dict[str, str]


def call(stack: Stack, method: str, path: str, headers: Headers, **more: Any) -> httpx.Response:
    """Over a new connection, which any running process may accept."""
    return httpx.request(method, f"{stack.url}/api{path}", headers=headers, timeout=10, **more)


def code_sent(stack: Stack, mobile: str) -> str:
    assert call(stack, "POST", "/auth/send-otp", {}, json={"mobileNumber": mobile}).status_code == 200
    return stack.code_sent_to(mobile)


def submit_code(stack: Stack, mobile: str, code: str) -> httpx.Response:
    return call(stack, "POST", "/auth/verify-otp", {}, json={"mobileNumber": mobile, "otp": code})


def signed_in(stack: Stack, mobile: str) -> dict[str, Any]:
    found: dict[str, Any] = submit_code(stack, mobile, code_sent(stack, mobile)).json()["data"]
    return found


def headers_of(response: dict[str, Any]) -> Headers:
    return {"Authorization": f"Bearer {response['tokens']['accessToken']}"}


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Headers:
    mobile = str(next(_numbers))
    stack.flask("create-admin", mobile, "Kavita Desai")
    return headers_of(signed_in(stack, mobile))


@pytest.fixture(scope="module")
def processes(stack: Stack) -> list[int]:
    """The process ids of gunicorn's two workers."""
    assert stack.web is not None
    found = Path(f"/proc/{stack.web.pid}/task/{stack.web.pid}/children").read_text()
    assert len(found.split()) == 2
    return [int(pid) for pid in found.split()]


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_a_logout_through_one_process_ends_the_session_in_the_other(
    stack: Stack, processes: list[int], path: str
) -> None:
    person = signed_in(stack, str(next(_numbers)))
    logout = "POST", path, headers_of(person)

    assert responses_of_the_other(stack, processes, person, logout) == (200, 401, "SESSION_REVOKED")


def test_a_deactivation_through_one_process_ends_the_session_in_the_other(
    stack: Stack, processes: list[int], admin: Headers
) -> None:
    person = signed_in(stack, str(next(_numbers)))
    deactivation = "DELETE", f"/users/{person['user']['_id']}", admin

    assert responses_of_the_other(stack, processes, person, deactivation) == (200, 401, "USER_INACTIVE")


def responses_of_the_other(
    stack: Stack, processes: list[int], person: dict[str, Any], request: tuple[str, str, Headers]
) -> tuple[int, int, str]:
    """The responses of one process before and right after a request to the other process that ends the session."""
    ending, other = processes
    headers = headers_of(person)
    with asleep(ending):
        before = call(stack, "GET", "/auth/me", headers)
    with asleep(other):
        assert call(stack, *request).status_code == 200
    with asleep(ending):
        after = call(stack, "GET", "/auth/me", headers)
    return before.status_code, after.status_code, after.json()["error"]["code"]


def outcome(response: httpx.Response) -> str:
    return "OK" if response.is_success else str(response.json()["error"]["code"])


def test_three_of_a_hundred_concurrent_guesses_are_compared_across_processes(stack: Stack) -> None:
    mobile = str(next(_numbers))
    wrong = wrong_code(code_sent(stack, mobile))

    responses = in_parallel(100, lambda _: submit_code(stack, mobile, wrong))

    assert Counter(map(outcome, responses)) == {"OTP_INVALID": 3, "OTP_MAX_ATTEMPTS": 97}


def test_one_of_fifty_concurrent_right_guesses_signs_in_across_processes(stack: Stack) -> None:
    mobile = str(next(_numbers))
    code = code_sent(stack, mobile)

    responses = in_parallel(50, lambda _: submit_code(stack, mobile, code))

    assert Counter(map(outcome, responses)) == {"OK": 1, "OTP_EXPIRED": 49}
