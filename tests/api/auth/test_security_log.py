"""Sign-in events and request lines in the log (OWASP ASVS 5.0 V16.3)."""

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
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, lock, me, refresh, refreshed
from tests.factories import SignedIn, code_for, data_of, error_of, request_code, submit_code

Line = MutableMapping[str, Any]


@pytest.fixture
def logged() -> Iterator[list[Line]]:
    """The log lines at LOG_LEVEL info."""
    usual = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        yield lines
    structlog.configure(wrapper_class=usual)


def of(logged: list[Line], event: str) -> list[Line]:
    """The lines of an event, without the common fields."""
    common = {"event", "log_level", "request_id"}
    return [{key: one[key] for key in one if key not in common} for one in logged if one["event"] == event]


def request_line(logged: list[Line]) -> Line:
    return of(logged, "request")[-1]


def signed_in(client: FlaskClient, mobile: str = MOBILE) -> Line:
    """The data of a sign-in."""
    response: Line = data_of(submit_code(client, mobile, code_sent(client, mobile)))
    return response


class TestSecurityEvents:
    def test_sign_in_is_logged_with_user_session_and_platform(self, client: FlaskClient, logged: list[Line]) -> None:
        response = signed_in(client)

        (line,) = of(logged, "signed_in")
        assert (line["user_id"], line["platform"]) == (response["user"]["_id"], "other")
        assert set(line) == {"user_id", "session_id", "platform"}

    def test_a_wrong_code_is_logged(self, client: FlaskClient, logged: list[Line]) -> None:
        code_sent(client)
        fail(client, 1)

        assert of(logged, "code_refused") == [{"code": "OTP_INVALID"}]

    def test_a_used_up_code_is_logged(self, client: FlaskClient, logged: list[Line]) -> None:
        code = code_sent(client)
        fail(client, 3)
        submit_code(client, MOBILE, code)

        assert of(logged, "code_refused")[-1] == {"code": "OTP_MAX_ATTEMPTS"}

    def test_a_guess_without_a_code_is_logged(self, client: FlaskClient, logged: list[Line]) -> None:
        submit_code(client, MOBILE, "123456")

        assert of(logged, "code_refused") == [{"code": "OTP_EXPIRED"}]

    def test_a_lock_is_logged_once(self, client: FlaskClient, logged: list[Line], now: Now) -> None:
        lock(client, now)

        assert of(logged, "number_locked") == [{"minutes": 30}]

    def test_a_guess_at_a_locked_number_is_logged(self, client: FlaskClient, logged: list[Line], now: Now) -> None:
        code = lock(client, now)
        submit_code(client, MOBILE, code)

        assert of(logged, "code_refused")[-1] == {"code": "ACCOUNT_LOCKED"}

    def test_a_reused_refresh_token_is_logged_as_a_warning(
        self, client: FlaskClient, person: SignedIn, logged: list[Line], now: Now
    ) -> None:
        data_of(me(client, refreshed(client, person.refresh_token)["accessToken"]))
        now.shift(timedelta(seconds=31))
        refresh(client, person.refresh_token)

        (line,) = (one for one in logged if one["event"] == "refresh_token_reused")
        assert (line["log_level"], line["session_id"]) == ("warning", str(person.session_id))

    @pytest.mark.parametrize(("path", "count"), [("logout", 1), ("logout-all", 2)])
    def test_logout_is_logged_with_the_number_of_sessions(
        self, app: Flask, client: FlaskClient, person: SignedIn, logged: list[Line], path: str, count: int
    ) -> None:
        factories.sign_in(app, person.user)
        data_of(client.post(f"/api/auth/{path}", headers=person.headers))

        user_id = str(person.user.id)
        assert of(logged, "sessions_ended") == [{"user_id": user_id, "by": user_id, "count": count}]

    def test_sessions_that_an_admin_ends_are_logged_with_the_admin(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, logged: list[Line]
    ) -> None:
        data_of(client.delete(f"/api/users/{person.user.id}", headers=admin.headers))

        expected = {"user_id": str(person.user.id), "by": str(admin.user.id), "count": 1}
        assert of(logged, "sessions_ended") == [expected]

    def test_a_rolled_back_change_logs_no_ended_session(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, logged: list[Line]
    ) -> None:
        body = {"role": "receptionist", "mobileNumber": admin.user.mobile_number}

        response = client.put(f"/api/users/{person.user.id}", json=body, headers=admin.headers)

        assert error_of(response)[1] == DuplicateValue.code
        assert of(logged, "sessions_ended") == []

    def test_each_line_has_the_request_id(self, client: FlaskClient, logged: list[Line]) -> None:
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
        submit_code(client, mobile, code)
        pair = refreshed(client, person.refresh_token)
        data_of(client.post("/api/auth/logout-all", headers={"Authorization": f"Bearer {pair['accessToken']}"}))
        now.shift(timedelta(minutes=31))
        tokens = signed_in(client, mobile)["tokens"]

        lines = json.dumps([{**one, "duration": 0} for one in logged])

        secrets = [person.user.name, mobile, f'"{code}"', f'"{code_for(mobile)}"', *pair.values(), *tokens.values()]
        assert [one for one in secrets if isinstance(one, str) and one != "Bearer" and one in lines] == []


class TestRequests:
    def test_a_request_line_has_user_session_and_address(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        client.environ_base["REMOTE_ADDR"] = "203.0.113.9"
        data_of(me(client, person.access_token))

        line = request_line(logged)
        assert (line["userId"], line["sessionId"]) == (str(person.user.id), str(person.session_id))
        assert (line["ip"], line["statusCode"], "code" in line) == ("203.0.113.9", 200, False)

    def test_a_request_line_has_the_names_of_query_parameters_but_no_values(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        query = {"search": person.user.name, "9876543210": "1"}
        headers = {**person.headers, "User-Agent": "clinic-app/2.1 (Android 15)\u00e9" + "x" * 500}
        client.get(f"/api/users/{person.user.id}", query_string=query, headers=headers)

        line = request_line(logged)
        assert line["url"] == f"/api/users/{person.user.id}?search"
        assert (line["userAgent"][:27], len(line["userAgent"])) == ("clinic-app/2.1 (Android 15)", 200)

    def test_a_request_line_without_a_session_has_an_anonymous_user(
        self, client: FlaskClient, logged: list[Line]
    ) -> None:
        data_of(request_code(client, MOBILE))

        line = request_line(logged)
        assert (line["userId"], "sessionId" in line) == ("anonymous", False)

    @pytest.mark.parametrize(("path", "level"), [("/health", "info"), ("/api/auth/me", "error"), ("/x", "error")])
    def test_a_request_line_of_an_error_has_the_level_error(
        self, client: FlaskClient, logged: list[Line], path: str, level: str
    ) -> None:
        client.get(path)

        assert [line["log_level"] for line in logged if line["event"] == "request"] == [level]

    def test_a_request_line_of_a_denied_user_has_user_and_error_code(
        self, client: FlaskClient, person: SignedIn, logged: list[Line]
    ) -> None:
        client.get("/api/users", headers=person.headers)

        line = request_line(logged)
        assert (line["code"], line["statusCode"], line["userId"]) == ("PERMISSION_DENIED", 403, str(person.user.id))

    @pytest.mark.parametrize(
        ("path", "code"),
        [("/api/auth/me", "NO_TOKEN"), ("/api/nowhere", "NOT_FOUND"), ("/api/auth/logout", "METHOD_NOT_ALLOWED")],
    )
    def test_a_request_line_of_an_error_has_its_code(
        self, client: FlaskClient, logged: list[Line], path: str, code: str
    ) -> None:
        client.get(path)

        assert request_line(logged)["code"] == code
