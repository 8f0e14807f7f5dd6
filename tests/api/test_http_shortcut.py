"""What is answered from a copy before Flask begins is what Flask would have answered, and costs the same."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
import structlog
from flask import Flask, request_started
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect
from werkzeug.test import TestResponse

from arthomed.auth import service as auth
from arthomed.core import metrics
from arthomed.core.copies import Seen
from arthomed.core.permissions import ROLE_PERMISSIONS, Role
from arthomed.http import overload, tokens
from arthomed.infra import versions
from arthomed.infra.versions import RedisVersions
from tests import factories
from tests.factories import SignedIn, refused
from tests.signing_in import Now
from tests.stack import wait_for

UNKNOWN_ORIGIN = {"Origin": "https://elsewhere.example"}  # which is told nothing of it, but is Flask's business
REQUEST_ID = {"X-Request-ID": "a-request-of-ours"}
SLOW_SECONDS = 0.05
OF_THE_MOMENT = {"RateLimit-Remaining", "RateLimit-Reset"}


@dataclass
class Client:
    """One person who asks one thing, over and over."""

    app: Flask
    person: SignedIn
    path: str
    begun: list[object] = field(default_factory=list)
    """The requests that Flask began."""

    def ask(self, method: str = "GET", **headers: str) -> TestResponse:
        return self.app.test_client().open(
            self.path, method=method, headers={**self.person.headers, **REQUEST_ID, **headers}
        )

    def ask_flask(self, **headers: str) -> TestResponse:
        return self.ask(**{**UNKNOWN_ORIGIN, **headers})

    def is_told_by_flask(self, **headers: str) -> bool:
        before = len(self.begun)
        self.ask(**headers)
        return len(self.begun) > before

    def is_told_at_once(self) -> bool:
        return not self.is_told_by_flask()


DAYS = factories.every_day("09:00", "13:00")
PATHS = {
    "slots": lambda: f"/api/appointments/slots?doctorId={factories.make_doctor(DAYS).id}&date={factories.tomorrow()}",
    "doctors": lambda: "/api/users/doctors?page=1&limit=10",
    "visits": lambda: "/api/appointments/my-appointments",
}


@pytest.fixture(params=PATHS.values(), ids=list(PATHS))
def path(client: FlaskClient, request: pytest.FixtureRequest) -> str:
    del client  # it empties the database
    found: str = request.param()
    return found


@pytest.fixture
def known(app: Flask, path: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Somebody of whose question and session there are copies; on a slow machine, too, they are good for a while."""
    monkeypatch.setattr(versions, "_MOST_SILENT_SECONDS", 60)
    factories.make_visit(person := factories.make_user())
    asking = Client(app, factories.sign_in(app, person), path)

    def note(*_: object, **__: object) -> None:
        asking.begun.append(1)

    with request_started.connected_to(note, app):
        wait_for(asking.is_told_at_once, what="an answer before Flask begins")
        yield asking


def headers_of(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}


def content_of(answer: TestResponse) -> dict[str, Any]:
    return {**answer.get_json(), "timestamp": None}


def left_of(answer: TestResponse) -> int:
    return int(answer.headers["RateLimit-Remaining"])


@dataclass
class Left:
    """What an answer leaves behind."""

    answer: TestResponse
    lines: list[Any]
    counted: list[tuple[metrics.Metric, tuple[str, ...]]]


def left_by(ask: Callable[[], TestResponse]) -> Left:
    counted = list[tuple[metrics.Metric, tuple[str, ...]]]()
    with (
        pytest.MonkeyPatch.context() as patched,
        structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines,
    ):
        patched.setattr(metrics, "_note", lambda metric, labels, _: counted.append((metric, labels)))
        answer = ask()
    return Left(answer, [{**line, "duration": None} for line in lines], counted)


def test_it_is_the_answer_that_flask_gives(known: Client) -> None:
    begun = len(known.begun)
    at_once, by_flask = known.ask(), known.ask_flask()

    assert len(known.begun) == begun + 1
    assert at_once.status_code == by_flask.status_code == 200
    assert content_of(at_once) == content_of(by_flask)
    assert headers_of(at_once) == headers_of(by_flask)


def test_it_leaves_the_same_in_the_log_and_in_the_metrics(known: Client) -> None:
    at_once, by_flask = left_by(known.ask), left_by(known.ask_flask)

    assert (at_once.lines, at_once.counted) == (by_flask.lines, by_flask.counted)
    assert at_once.lines[0]["event"] == "request"
    assert metrics.REQUESTS in [metric for metric, _ in at_once.counted]


def test_what_it_took_before_flask_began_is_part_of_what_it_took(
    known: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = RedisVersions.count

    def count_slowly(*it: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return count(*it)[0], Seen({}, 0.0, 0, 0)  # and what there is has been called off

    monkeypatch.setattr(RedisVersions, "count", count_slowly)
    with structlog.testing.capture_logs() as lines:
        assert known.is_told_by_flask()

    assert lines[-1]["duration"] >= SLOW_SECONDS * 1000


def test_each_request_is_counted_once(known: Client) -> None:
    left = [left_of(known.ask()), left_of(known.ask_flask()), left_of(known.ask())]

    assert left == [left[0], left[0] - 1, left[0] - 2]


def test_one_of_which_the_copy_was_called_off_is_counted_once_and_told_by_flask(
    known: Client, app: Flask, environment: dict[str, str]
) -> None:
    before = left_of(known.ask())
    names = app.extensions["answers"].names
    called_off = {name for key in app.extensions["answers"]._kept for name in names(key)}
    RedisVersions(environment["REDIS_URL"]).forget(*called_off)

    flasks = len(known.begun)
    answer = known.ask()

    assert (answer.status_code, left_of(answer), len(known.begun)) == (200, before - 1, flasks + 1)


class TestOfASessionOfWhichThereIsNoCopy:
    """What all are told is known already; who asks is not."""

    pytestmark = pytest.mark.parametrize(
        "path", [PATHS["slots"], PATHS["doctors"]], ids=["slots", "doctors"], indirect=True
    )

    @pytest.fixture
    def other(self, known: Client) -> Client:
        return replace(known, person=factories.sign_in(known.app))

    def test_who_has_just_signed_in_is_told_at_once(self, other: Client) -> None:
        assert other.is_told_at_once()

    def test_who_signed_out_is_told_so(self, other: Client) -> None:
        factories.told(other.app.test_client().post("/api/auth/logout", headers=other.person.headers))

        assert refused(other.ask()) == (401, "SESSION_REVOKED")

    def test_a_session_is_for_its_own_person_only(self, other: Client, known: Client) -> None:
        with other.app.app_context():
            pair = tokens.pair(other.person.user.id, known.person.session_id, 0)

        assert refused(other.ask(Authorization=f"Bearer {pair.access_token}")) == (401, "SESSION_REVOKED")

    def test_without_the_database_it_is_asked_once_and_then_left_alone(
        self, other: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = list[object]()

        def be_away(*it: object) -> None:
            asked.append(it)
            raise AutoReconnect

        monkeypatch.setattr(auth, "_find_session", be_away)

        assert [refused(other.ask()) for _ in range(3)] == [(503, "SERVICE_UNAVAILABLE")] * 3
        assert len(asked) == 1


def test_what_flask_has_to_say_it_says(known: Client) -> None:
    etag = known.ask().headers.get("ETag")

    assert refused(known.ask(Accept="text/html")) == (406, "NOT_ACCEPTABLE")
    assert refused(known.ask("DELETE")) == (405, "METHOD_NOT_ALLOWED")
    assert refused(known.ask(Authorization="")) == (401, "NO_TOKEN")
    assert refused(known.ask(Authorization="Bearer nonsense")) == (401, "INVALID_TOKEN")
    assert known.ask("HEAD").data == b""
    assert etag is None or known.ask(**{"If-None-Match": etag}).status_code == 304


def test_who_signed_out_is_told_so(known: Client) -> None:
    factories.told(known.app.test_client().post("/api/auth/logout", headers=known.person.headers))

    assert refused(known.ask()) == (401, "SESSION_REVOKED")


def test_a_token_that_has_expired_is_refused(known: Client, now: Now) -> None:
    now.shift(timedelta(hours=2))

    assert refused(known.ask()) == (401, "TOKEN_EXPIRED")


def test_who_may_not_ask_is_told_so(known: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLE_PERMISSIONS, Role.PATIENT, frozenset())

    assert refused(known.ask()) == (403, "PERMISSION_DENIED")


def test_what_waited_too_long_for_a_thread_is_refused_as_flask_refuses_it(known: Client) -> None:
    overload.note_waited(3600)
    try:
        begun = len(known.begun)
        at_once, by_flask = left_by(known.ask), left_by(known.ask_flask)
    finally:
        overload.note_waited(0)

    assert len(known.begun) == begun + 1
    assert refused(at_once.answer) == (503, "SERVICE_UNAVAILABLE")
    assert content_of(at_once.answer) == content_of(by_flask.answer)
    assert headers_of(at_once.answer) == headers_of(by_flask.answer)
    assert at_once.lines == by_flask.lines


def test_who_asked_too_often_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_MOST_SILENT_SECONDS", 60)
    with factories.another_app(rate_limits=factories.rate_limits(user=3)) as strict:
        person = factories.sign_in(strict)
        answers = [strict.test_client().get(path, headers=person.headers) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [left_of(answer) for answer in answers] == [2, 1, 0, 0, 0]
    assert int(answers[-1].headers["Retry-After"]) > 0
