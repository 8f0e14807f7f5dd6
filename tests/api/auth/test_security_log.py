"""Signing in and out in the log, for those who watch the clinic (OWASP ASVS 5.0 V16.3)."""

import json
import logging
from collections.abc import Iterator, MutableMapping
from datetime import timedelta
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.errors import DuplicateValue
from tests import factories
from tests.factories import SignedIn, answer_with, ask_for_code, code_for, refused, told
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, lock, me, refresh, refreshed

Line = MutableMapping[str, Any]


@pytest.fixture
def logged() -> Iterator[list[Line]]:
    """What is logged while LOG_LEVEL is info."""
    usual = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        yield lines
    structlog.configure(wrapper_class=usual)


def of(logged: list[Line], event: str) -> list[Line]:
    """The lines of an event, without what every line has."""
    common = {"event", "log_level", "request_id"}
    return [{key: one[key] for key in one if key not in common} for one in logged if one["event"] == event]


def request_line(logged: list[Line]) -> Line:
    return of(logged, "request")[-1]


def signed_in(client: FlaskClient, mobile: str = MOBILE) -> Line:
    """The answer to a code."""
    answer: Line = told(answer_with(client, mobile, code_sent(client, mobile)))
    return answer


class TestSecurityEvents:
    def test_signing_in(self, client: FlaskClient, logged: list[Line]) -> None:
        answer = signed_in(client)

        (line,) = of(logged, "signed_in")
        assert (line["user_id"], line["platform"]) == (answer["user"]["_id"], "other")
        assert set(line) == {"user_id", "session_id", "platform"}

    def test_a_wrong_code(self, client: FlaskClient, logged: list[Line]) -> None:
        code_sent(client)
        fail(client, 1)

        assert of(logged, "code_refused") == [{"code": "OTP_INVALID"}]

    def test_a_code_that_is_used_up(self, client: FlaskClient, logged: list[Line]) -> None:
        code = code_sent(client)
        fail(client, 3)
        answer_with(client, MOBILE, code)

        assert of(logged, "code_refused")[-1] == {"code": "OTP_MAX_ATTEMPTS"}

    def test_a_code_that_there_is_not(self, client: FlaskClient, logged: list[Line]) -> None:
        answer_with(client, MOBILE, "123456")

        assert of(logged, "code_refused") == [{"code": "OTP_EXPIRED"}]

    def test_a_number_is_locked_once(self, client: FlaskClient, logged: list[Line], now: Now) -> None:
        lock(client, now)

        assert of(logged, "number_locked") == [{"minutes": 30}]

    def test_a_try_with_a_locked_number(self, client: FlaskClient, logged: list[Line], now: Now) -> None:
        code = lock(client, now)
        answer_with(client, MOBILE, code)

        assert of(logged, "code_refused")[-1] == {"code": "ACCOUNT_LOCKED"}

    def test_a_spent_refresh_token_is_a_warning(
        self, client: FlaskClient, person: SignedIn, logged: list[Line], now: Now
    ) -> None:
        refreshed(client, person.refresh_token)
        now.shift(timedelta(seconds=31))
        refresh(client, person.refresh_token)

        (line,) = (one for one in logged if one["event"] == "refresh_token_reused")
        assert (line["log_level"], line["session_id"]) == ("warning", str(person.session_id))

    @pytest.mark.parametrize(("path", "count"), [("logout", 1), ("logout-all", 2)])
    def test_signing_out(
        self, app: Flask, client: FlaskClient, person: SignedIn, logged: list[Line], path: str, count: int
    ) -> None:
        factories.sign_in(app, person.user)
        told(client.post(f"/api/auth/{path}", headers=person.headers))

        user_id = str(person.user.id)
        assert of(logged, "sessions_ended") == [{"user_id": user_id, "by": user_id, "count": count}]

    def test_being_signed_out_by_an_admin(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, logged: list[Line]
    ) -> None:
        told(client.delete(f"/api/users/{person.user.id}", headers=admin.headers))

        told_of = {"user_id": str(person.user.id), "by": str(admin.user.id), "count": 1}
        assert of(logged, "sessions_ended") == [told_of]

    def test_a_change_that_is_undone_signed_nobody_out(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, logged: list[Line]
    ) -> None:
        body = {"role": "receptionist", "mobileNumber": admin.user.mobile_number}

        answer = client.put(f"/api/users/{person.user.id}", json=body, headers=admin.headers)

        assert refused(answer)[1] == DuplicateValue.code
        assert of(logged, "sessions_ended") == []

    def test_each_has_the_id_of_its_request(self, client: FlaskClient, logged: list[Line]) -> None:
        body = {"mobileNumber": MOBILE, "otp": "123456"}
        client.post("/api/auth/verify-otp", json=body, headers={"X-Request-ID": "request-of-a-test"})

        assert [(one["event"], one["request_id"]) for one in logged] == [
            ("code_refused", "request-of-a-test"),
            ("request", "request-of-a-test"),
        ]

    def test_no_line_holds_a_name_number_code_or_token(
        self, client: FlaskClient, person: SignedIn, logged: list[Line], now: Now
    ) -> None:
        mobile = person.user.mobile_number
        code = lock(client, now, mobile)
        answer_with(client, mobile, code)
        pair = refreshed(client, person.refresh_token)
        told(client.post("/api/auth/logout-all", headers={"Authorization": f"Bearer {pair['accessToken']}"}))
        now.shift(timedelta(minutes=31))
        tokens = signed_in(client, mobile)["tokens"]

        told_of = json.dumps([{**one, "duration": 0} for one in logged])

        secrets = [person.user.name, mobile, f'"{code}"', f'"{code_for(mobile)}"', *pair.values(), *tokens.values()]
        assert [one for one in secrets if isinstance(one, str) and one != "Bearer" and one in told_of] == []


class TestRequests:
    def test_a_request_tells_who_and_from_where(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
        told(me(client, person.access_token))

        line = request_line(logged)
        assert (line["userId"], line["sessionId"]) == (str(person.user.id), str(person.session_id))
        assert (line["ip"], line["statusCode"], "code" in line) == ("203.0.113.9", 200, False)

    def test_a_request_tells_what_was_asked_for_and_nothing_that_was_looked_for(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        query = {"search": person.user.name, "9876543210": "1"}
        headers = {**person.headers, "User-Agent": "clinic-app/2.1 (Android 15)\u00e9" + "x" * 500}
        client.get(f"/api/users/{person.user.id}", query_string=query, headers=headers)

        line = request_line(logged)
        assert line["url"] == f"/api/users/{person.user.id}?search"
        assert (line["userAgent"][:27], len(line["userAgent"])) == ("clinic-app/2.1 (Android 15)", 200)

    def test_a_request_without_a_session_names_nobody(self, client: FlaskClient, logged: list[Line]) -> None:
        told(ask_for_code(client, MOBILE))

        assert {"userId", "sessionId"}.isdisjoint(request_line(logged))

    def test_a_person_who_may_not_is_named_with_the_code(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        client.get("/api/users", headers=person.headers)

        line = request_line(logged)
        assert (line["code"], line["statusCode"], line["userId"]) == ("PERMISSION_DENIED", 403, str(person.user.id))

    @pytest.mark.parametrize(
        ("path", "code"),
        [("/api/auth/me", "NO_TOKEN"), ("/api/nowhere", "NOT_FOUND"), ("/api/auth/logout", "METHOD_NOT_ALLOWED")],
    )
    def test_a_refusal_is_told_with_its_code(
        self, client: FlaskClient, logged: list[Line], path: str, code: str
    ) -> None:
        client.get(path)

        assert request_line(logged)["code"] == code
