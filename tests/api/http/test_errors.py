"""The error envelope, unexpected errors and an unavailable database."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from arthomed.config import AppEnv
from arthomed.core.errors import ServiceUnavailable
from arthomed.core.jobs import JobsUnavailable
from arthomed.infra import mongo as database_connection
from dev.servers import free_port
from tests import factories
from tests.factories import SignedIn, envelope_of, error_of

SECRET_DETAIL = "hunter2 at /srv/clinic/secrets.py"
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
TOO_LARGE = b'"' + b"x" * 10 * 1024 * 1024 + b'"'
JSON = {"Content-Type": "application/json"}
GUESS = {"mobileNumber": "9876543210", "otp": "123456"}
CASES: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "unknown page": ("GET", "/nowhere", {}, 404, "NOT_FOUND"),
    "root": ("GET", "/", {}, 404, "NOT_FOUND"),
    "unknown route": ("GET", "/api/nowhere", {}, 404, "NOT_FOUND"),
    "unknown route, written to": ("POST", "/api/nowhere", {"json": {}}, 404, "NOT_FOUND"),
    "bad id": ("GET", "/api/users/doctors/abc", {}, 404, "NOT_FOUND"),
    "path that is no UTF-8": ("GET", "/api/%ff%fe", {}, 404, "NOT_FOUND"),
    "wrong method": ("GET", "/api/auth/send-otp", {}, 405, "METHOD_NOT_ALLOWED"),
    "unheard-of method": ("BREW", "/api/auth/send-otp", {}, 405, "METHOD_NOT_ALLOWED"),
    "wrong method of the document": ("POST", "/api/openapi.json", {}, 405, "METHOD_NOT_ALLOWED"),
    "wrong method of health": ("DELETE", "/health", {}, 405, "METHOD_NOT_ALLOWED"),
    "not acceptable": ("GET", "/api/auth/me", {"headers": {"Accept": "text/html"}}, 406, "NOT_ACCEPTABLE"),
    "no token": ("GET", "/api/auth/me", {}, 401, "NO_TOKEN"),
    "bad token": ("GET", "/api/auth/me", {"headers": {"Authorization": "Bearer x"}}, 401, "INVALID_TOKEN"),
    "broken JSON": ("POST", "/api/auth/send-otp", {"data": b"{", "headers": JSON}, 400, "MALFORMED_JSON"),
    "wrong type": ("POST", "/api/auth/send-otp", {"data": b"{}"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    "too large": ("POST", "/api/auth/send-otp", {"data": TOO_LARGE, "headers": JSON}, 413, "PAYLOAD_TOO_LARGE"),
    "invalid": ("POST", "/api/auth/send-otp", {"json": {}}, 400, "VALIDATION_ERROR"),
    "no code": ("POST", "/api/auth/verify-otp", {"json": GUESS}, 400, "OTP_EXPIRED"),
}


class TestEnvelope:
    @pytest.fixture(params=CASES, name="case")
    def _case(self, request: pytest.FixtureRequest, client: FlaskClient) -> tuple[TestResponse, int, str]:
        method, path, sent, status, code = CASES[request.param]
        return client.open(path, method=method, **sent), status, code

    def test_the_error_envelope_has_only_the_documented_fields(self, case: tuple[TestResponse, int, str]) -> None:
        response, status, code = case
        body = envelope_of(response)

        assert (response.status_code, set(body)) == (status, {"success", "message", "error", "errors", "timestamp"})
        assert body["error"] == {"code": code, "statusCode": status, "details": body["message"]}
        assert (body["success"], bool(body["message"])) == (False, True)
        assert bool(body["errors"]) == (code == "VALIDATION_ERROR")

    def test_the_response_is_json_with_a_timestamp_and_a_request_id(self, case: tuple[TestResponse, int, str]) -> None:
        response = case[0]

        assert response.mimetype == "application/json"
        assert INSTANT.fullmatch(envelope_of(response)["timestamp"])
        assert response.headers["X-Request-ID"]


def test_the_success_envelope_has_only_the_documented_fields(client: FlaskClient, person: SignedIn) -> None:
    body = envelope_of(client.get("/api/auth/me", headers=person.headers))

    assert set(body) == {"success", "message", "data", "timestamp"}
    assert (body["success"], bool(body["message"])) == (True, True)
    assert INSTANT.fullmatch(body["timestamp"])


def test_a_success_without_data_has_an_empty_object(client: FlaskClient, person: SignedIn) -> None:
    assert envelope_of(client.post("/api/auth/logout", headers=person.headers))["data"] == {}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/auth/send-otp", {"POST", "OPTIONS"}),
        ("/api/auth/me", {"GET", "HEAD", "OPTIONS"}),
        ("/api/users/profile", {"GET", "HEAD", "PUT", "OPTIONS"}),
        ("/api/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        (f"/api/users/{factories.UNKNOWN_ID}", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_gets_the_allowed_ones(client: FlaskClient, path: str, allowed: set[str]) -> None:
    response = client.patch(path)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("bad", ["abc", "0" * 23, "0" * 25, "g" * 24, "-1", "%00", "{}", "\u0660" * 24])
@pytest.mark.parametrize("path", ["/api/users/doctors/{}", "/api/users/{}", "/api/appointments/{}"])
def test_a_malformed_id_is_not_found(client: FlaskClient, person: SignedIn, path: str, bad: str) -> None:
    response = client.get(path.format(bad), headers=person.headers)

    assert error_of(response) == (404, "NOT_FOUND")
    assert envelope_of(response)["message"] == "Resource not found"


def test_the_permission_is_checked_before_the_body(client: FlaskClient, person: SignedIn) -> None:
    response = client.post("/api/users", data=b"{", headers={**person.headers, **JSON})

    assert error_of(response) == (403, "PERMISSION_DENIED")


def test_the_token_is_checked_before_the_body(client: FlaskClient) -> None:
    assert error_of(client.put("/api/users/profile", data=b"{", headers=JSON)) == (401, "NO_TOKEN")


@contextmanager
def broken_app(env: AppEnv, error: Exception) -> Iterator[FlaskClient]:
    """The application of an environment, with a route that raises the error."""

    def fail() -> str:
        raise error

    with factories.another_app(app_env=env) as app:
        app.add_url_rule("/api/broken", view_func=fail)
        yield app.test_client()


@pytest.mark.usefixtures("database")
class TestUnexpected:
    @pytest.mark.parametrize("env", [AppEnv.TEST, AppEnv.PRODUCTION])
    def test_the_response_has_no_details_of_the_error(self, env: AppEnv) -> None:
        with broken_app(env, RuntimeError(SECRET_DETAIL)) as client:
            response = client.get("/api/broken")

        assert error_of(response) == (500, "INTERNAL_ERROR")
        assert envelope_of(response)["message"] == "Internal server error"
        assert [one for one in ("hunter2", "Traceback", "RuntimeError", ".py") if one in response.text] == []

    @pytest.mark.parametrize("env", AppEnv)
    def test_the_response_has_the_request_id(self, env: AppEnv) -> None:
        with broken_app(env, RuntimeError(SECRET_DETAIL)) as client:
            response = client.get("/api/broken", headers={"X-Request-ID": "ask-about-this"})

        assert envelope_of(response)["error"]["requestId"] == "ask-about-this"
        assert response.headers["X-Request-ID"] == "ask-about-this"

    def test_development_responds_with_the_stack(self) -> None:
        with broken_app(AppEnv.DEVELOPMENT, RuntimeError(SECRET_DETAIL)) as client:
            error = envelope_of(client.get("/api/broken"))["error"]

        assert "RuntimeError: hunter2" in error["stack"]

    def test_the_stack_is_logged_with_the_request_id(self, capfd: pytest.CaptureFixture[str]) -> None:
        with broken_app(AppEnv.PRODUCTION, RuntimeError(SECRET_DETAIL)) as client:
            client.get("/api/broken", headers={"X-Request-ID": "ask-about-this"})

        logged = [line for line in capfd.readouterr().err.splitlines() if "unexpected_error" in line]
        assert len(logged) == 1
        assert "ask-about-this" in logged[0]
        assert "RuntimeError" in logged[0]
        assert "hunter2" not in logged[0]  # it may be personal data

    @pytest.mark.parametrize(
        "error", [RecursionError(), KeyError("x"), AssertionError(), MemoryError(), OperationFailure("no", 2)]
    )
    def test_every_unexpected_exception_is_an_internal_error(self, error: Exception) -> None:
        with broken_app(AppEnv.TEST, error) as client:
            assert error_of(client.get("/api/broken")) == (500, "INTERNAL_ERROR")

    @pytest.mark.parametrize(
        "error",
        [AutoReconnect("gone"), ExecutionTimeout("late", 50), JobsUnavailable("sms.send"), ServiceUnavailable()],
    )
    def test_an_unavailable_dependency_is_service_unavailable(self, error: Exception) -> None:
        with broken_app(AppEnv.PRODUCTION, error) as client:
            response = client.get("/api/broken")

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers["Retry-After"] == "5"
        assert set(envelope_of(response)["error"]) == {"code", "statusCode", "details"}


class TestSlowDatabase:
    def test_a_blocked_write_is_service_unavailable(
        self, client: FlaskClient, person: SignedIn, blocked_writes: None
    ) -> None:
        del blocked_writes
        response = client.post("/api/auth/refresh-token", json={"refreshToken": person.refresh_token})

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")

    @pytest.mark.usefixtures("blocked_writes")
    def test_a_blocked_write_is_given_up_within_three_seconds(self, client: FlaskClient) -> None:
        started = time.monotonic()

        response = factories.request_code(client, "9876543210")

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert time.monotonic() - started < 3


class TestUnreachableDatabase:
    @pytest.fixture
    def unreachable(self, client: FlaskClient, environment: dict[str, str]) -> Iterator[None]:
        """A database whose port is closed."""
        del client
        uri = f"mongodb://127.0.0.1:{free_port()}/arthomed_test"
        database_connection.open_database(uri, timeout_ms=database_connection.WEB_TIMEOUT_MS)
        yield
        database_connection.open_database(environment["MONGODB_URI"], timeout_ms=database_connection.WEB_TIMEOUT_MS)

    @pytest.mark.usefixtures("unreachable")
    def test_a_sign_in_is_refused_with_retry_after_and_logged(self, client: FlaskClient) -> None:
        with capture_logs() as logs:
            response = client.post("/api/auth/verify-otp", json=GUESS)

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers.get("Retry-After") == "5"
        assert [line["event"] for line in logs if line["log_level"] == "error"] == ["dependency_unavailable", "request"]

    @pytest.mark.usefixtures("unreachable")
    def test_the_next_request_after_a_failed_sign_in_is_refused_at_once(self, client: FlaskClient) -> None:
        client.post("/api/auth/verify-otp", json=GUESS)
        started = time.monotonic()
        response = client.post("/api/auth/verify-otp", json=GUESS)

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers.get("Retry-After") == "5"
        assert time.monotonic() - started < 0.5
