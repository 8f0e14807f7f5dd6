"""Shared rate limits of sign-in, booking and uploads, and the session for which a refresh counts."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_limiter.util import get_qualified_name
from werkzeug.test import TestResponse

from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.http.limits import limiter
from dev.servers import Valkey, free_port
from tests import factories
from tests.api.http.rate_limits import REFUSAL, limit_and_remaining, wait_until_redis_counts
from tests.factories import Browser, SignedIn, error_of

AUTH, BOOKING, STAFF_BOOKING, UPLOAD, ANONYMOUS, USER = 3, 2, 4, 1, 5, 6
SIGN_IN = ["/api/auth/send-otp", "/api/auth/verify-otp", "/api/auth/register"]
BOOK, MANUAL, REFRESH = "/api/appointments/book", "/api/appointments/manual", "/api/auth/refresh-token"
MOVE = f"/api/appointments/{factories.UNKNOWN_ID}/reschedule"


@pytest.fixture(scope="module")
def strict_app(app: Flask) -> Iterator[Flask]:
    """The application with low limits."""
    del app
    limits = factories.rate_limits(
        auth=AUTH, booking=BOOKING, staff_booking=STAFF_BOOKING, upload=UPLOAD, address=ANONYMOUS, user=USER
    )
    with factories.another_app(rate_limits=limits) as application:
        yield application


@pytest.fixture
def strict(strict_app: Flask, client: FlaskClient) -> FlaskClient:
    """Its client, with no request counted."""
    del client  # it empties Redis
    return strict_app.test_client()


@pytest.fixture
def person(strict_app: Flask, strict: FlaskClient) -> SignedIn:
    del strict  # it empties the database
    return factories.sign_in(strict_app)


def post(client: FlaskClient, path: str, *, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    """Send an empty body, which the route refuses after it is counted."""
    return client.post(path, json={}, headers=headers, environ_base={"REMOTE_ADDR": address})


def statuses(client: FlaskClient, path: str, times: int, **headers: str) -> list[int]:
    return [post(client, path, **headers).status_code for _ in range(times)]


def test_sign_in_booking_and_uploads_have_shared_limits(app: Flask) -> None:
    def scopes(view: Callable[..., Any]) -> set[str]:
        limits = limiter.limit_manager.decorated_limits(get_qualified_name(view))
        return {str(one.scope) for one in limits} - {"all"}

    with app.test_request_context():
        found = {name: scopes(view) for name, view in app.view_functions.items()}

    assert {name: names for name, names in found.items() if names} == {
        "auth.send_code": {"auth"},
        "auth.verify_code": {"auth"},
        "auth.register": {"auth"},
        "privacy.erase": {"auth"},
        "appointments.book": {"booking", "upload"},
        "desk.book_at_desk": {"booking"},
        "moving.reschedule": {"booking"},
        "attachments.upload": {"upload"},
        "files.upload_profile_picture": {"upload"},
        "dashboard_sign_in.start": {"auth"},
        "dashboard_sign_in.show": {"auth"},
        "dashboard_sign_in.send_code": {"auth"},
        "dashboard_sign_in.submit_code": {"auth"},
        "dashboard_preferences.store": {"auth"},
        "dashboard_files.static_file": {"static"},
        "dashboard_day.poll": {"poll"},
        "dashboard_lock.stay_awake": {"poll"},
        "dashboard_lock.send_code": {"auth"},
        "dashboard_lock.submit_code": {"auth"},
        "dashboard_requests.poll": {"poll"},
        "dashboard_my_day.poll": {"poll"},
        "dashboard_appointment.poll": {"poll"},
        "dashboard_booking.book": {"booking"},
        "dashboard_moving.move": {"booking"},
    }


@pytest.mark.parametrize(
    "path", [BOOK, MANUAL, "/api/files/upload/appointments", "/api/files/upload/profiles", "/api/users/profile/erasure"]
)
def test_requests_without_permission_are_limited_too(strict: FlaskClient, path: str) -> None:
    found = statuses(strict, path, ANONYMOUS + 1)

    assert (found[0], found[-1]) == (401, 429)


class TestSignIn:
    @pytest.mark.parametrize("path", SIGN_IN)
    def test_a_request_over_the_limit_is_refused(self, strict: FlaskClient, path: str) -> None:
        assert statuses(strict, path, AUTH + 1) == [400] * AUTH + [429]

    def test_the_routes_of_sign_in_share_one_limit(self, strict: FlaskClient) -> None:
        for path in SIGN_IN:
            post(strict, path)

        assert error_of(post(strict, SIGN_IN[0])) == REFUSAL

    def test_each_address_has_its_own_limit(self, strict: FlaskClient) -> None:
        statuses(strict, SIGN_IN[0], AUTH + 1)

        assert post(strict, SIGN_IN[0], address="198.51.100.1").status_code == 400

    def test_a_token_does_not_change_the_limit_of_the_address(self, strict_app: Flask, strict: FlaskClient) -> None:
        statuses(strict, SIGN_IN[0], AUTH)

        assert error_of(post(strict, SIGN_IN[0], **factories.sign_in(strict_app).headers)) == REFUSAL

    def test_a_refusal_has_retry_after(self, strict: FlaskClient) -> None:
        statuses(strict, SIGN_IN[0], AUTH)
        response = post(strict, SIGN_IN[0])

        assert limit_and_remaining(response) == (AUTH, 0)
        assert 890 <= int(response.headers["Retry-After"]) <= 900

    def test_requests_to_sign_in_do_not_count_in_the_default_limit(self, strict: FlaskClient) -> None:
        statuses(strict, SIGN_IN[0], 10)

        assert limit_and_remaining(strict.get("/api/auth/me")) == (ANONYMOUS, ANONYMOUS - 1)

    def test_an_exhausted_default_limit_does_not_stop_sign_in(self, strict: FlaskClient) -> None:
        for _ in range(ANONYMOUS + 1):
            strict.get("/api/auth/me")

        assert limit_and_remaining(post(strict, SIGN_IN[0])) == (AUTH, AUTH - 1)


class TestBooking:
    def test_a_request_over_the_limit_is_refused(self, strict: FlaskClient, person: SignedIn) -> None:
        assert statuses(strict, BOOK, BOOKING + 1, **person.headers) == [400] * BOOKING + [429]

    def test_a_booking_with_files_counts_as_an_upload_too(self, strict: FlaskClient, person: SignedIn) -> None:
        responses = [
            strict.post(BOOK, data={"images": [factories.picture()]}, headers=person.headers) for _ in range(UPLOAD + 1)
        ]

        assert [response.status_code for response in responses] == [400] * UPLOAD + [429]
        assert statuses(strict, BOOK, 1, **person.headers) == [400]

    def test_all_addresses_of_a_session_share_one_limit(self, strict: FlaskClient, person: SignedIn) -> None:
        statuses(strict, BOOK, BOOKING, **person.headers)

        assert error_of(post(strict, BOOK, address="198.51.100.1", **person.headers)) == REFUSAL

    def test_each_session_has_its_own_limit(self, strict_app: Flask, strict: FlaskClient, person: SignedIn) -> None:
        statuses(strict, BOOK, BOOKING, **person.headers)

        assert post(strict, BOOK, **factories.sign_in(strict_app).headers).status_code == 400

    def test_anonymous_requests_do_not_count_for_sessions(self, strict: FlaskClient, person: SignedIn) -> None:
        assert statuses(strict, BOOK, BOOKING + 1) == [401] * BOOKING + [429]
        assert post(strict, BOOK, **person.headers).status_code == 400

    def test_an_exhausted_booking_limit_does_not_stop_other_requests(
        self, strict: FlaskClient, person: SignedIn
    ) -> None:
        statuses(strict, BOOK, BOOKING + 1, **person.headers)

        assert strict.get("/api/auth/me", headers=person.headers).status_code == 200

    def test_booking_and_sign_in_have_separate_limits(self, strict: FlaskClient) -> None:
        statuses(strict, BOOK, BOOKING)

        assert limit_and_remaining(post(strict, SIGN_IN[0]))[0] == AUTH


class TestBookingByStaff:
    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
    def test_staff_have_a_limit_of_their_own(self, strict_app: Flask, strict: FlaskClient, role: Role) -> None:
        user = factories.make_doctor([]) if role is Role.DOCTOR else factories.make_user(role)
        headers = factories.sign_in(strict_app, user).headers

        assert statuses(strict, BOOK, STAFF_BOOKING + 1, **headers) == [400] * STAFF_BOOKING + [429]

    def test_bookings_for_patients_and_moves_share_it(self, strict_app: Flask, strict: FlaskClient) -> None:
        headers = factories.sign_in(strict_app, factories.make_user(Role.RECEPTIONIST)).headers

        for _ in range(STAFF_BOOKING // 2):
            strict.post(MANUAL, json={}, headers=headers)
            response = strict.put(MOVE, json={}, headers=headers)

        assert limit_and_remaining(response) == (STAFF_BOOKING, 0)
        assert error_of(strict.post(MANUAL, json={}, headers=headers)) == REFUSAL

    def test_bookings_and_moves_in_the_dashboard_have_it(self, strict_app: Flask, strict: FlaskClient) -> None:
        del strict  # it empties the database and Redis
        browser = Browser(strict_app, factories.make_user(Role.RECEPTIONIST))
        move = f"/dashboard/appointments/{factories.UNKNOWN_ID}/move"

        for _ in range(STAFF_BOOKING // 2):
            browser.post("/dashboard/appointments/new")
            response = browser.post(move)

        assert limit_and_remaining(response) == (STAFF_BOOKING, 0)
        assert browser.post("/dashboard/appointments/new").status_code == 429

    def test_a_new_pair_of_tokens_keeps_it(self, strict_app: Flask, strict: FlaskClient) -> None:
        person = factories.sign_in(strict_app, factories.make_user(Role.RECEPTIONIST))
        refreshed = factories.data_of(strict.post(REFRESH, json={"refreshToken": person.refresh_token}))

        response = post(strict, BOOK, Authorization=f"Bearer {refreshed['accessToken']}")

        assert limit_and_remaining(response) == (STAFF_BOOKING, STAFF_BOOKING - 1)

    def test_a_forged_role_does_not_get_it(self, strict: FlaskClient, person: SignedIn) -> None:
        claims = jwt.decode(person.access_token, options={"verify_signature": False})
        forged = jwt.encode({**claims, "role": "receptionist"}, settings().jwt_secret + "!")

        response = post(strict, BOOK, Authorization=f"Bearer {forged}")

        assert limit_and_remaining(response) == (BOOKING, BOOKING - 1)

    def test_a_token_without_a_role_has_the_limit_of_patients(self, strict: FlaskClient, person: SignedIn) -> None:
        claims = jwt.decode(person.access_token, options={"verify_signature": False})
        del claims["role"]
        former = jwt.encode(claims, settings().jwt_secret)

        response = post(strict, BOOK, Authorization=f"Bearer {former}")

        assert (response.status_code, limit_and_remaining(response)) == (400, (BOOKING, BOOKING - 1))


class TestRefresh:
    @pytest.mark.parametrize("kind", ["json", "data"])
    def test_a_refresh_counts_for_the_session(self, strict: FlaskClient, person: SignedIn, kind: str) -> None:
        body: Any = {kind: {"refreshToken": person.refresh_token}}
        response = strict.post(REFRESH, **body)

        assert (response.status_code, limit_and_remaining(response)) == (200, (USER, USER - 1))

    def test_refreshes_and_other_requests_of_a_session_share_one_limit(
        self, strict: FlaskClient, person: SignedIn
    ) -> None:
        strict.post(REFRESH, json={"refreshToken": person.refresh_token})

        assert limit_and_remaining(strict.get("/api/auth/me", headers=person.headers)) == (USER, USER - 2)

    def test_many_users_behind_one_address_can_refresh(self, strict_app: Flask, strict: FlaskClient) -> None:
        for _ in range(ANONYMOUS):
            strict.get("/api/auth/me")
        people = [factories.sign_in(strict_app) for _ in range(ANONYMOUS + 1)]

        responses = [strict.post(REFRESH, json={"refreshToken": one.refresh_token}).status_code for one in people]

        assert responses == [200] * len(people)

    def test_a_session_over_the_limit_cannot_refresh(self, strict: FlaskClient, person: SignedIn) -> None:
        responses = [
            strict.post(REFRESH, json={"refreshToken": person.refresh_token}, environ_base={"REMOTE_ADDR": address})
            for address in [f"198.51.100.{one}" for one in range(USER + 1)]
        ]

        assert error_of(responses[USER]) == REFUSAL

    @pytest.mark.parametrize("kind", ["access", "forged", "expired", "another", "number", "list", "none"])
    def test_a_refresh_without_a_valid_token_counts_for_the_address(
        self, strict: FlaskClient, person: SignedIn, kind: str
    ) -> None:
        response = strict.post(REFRESH, json={"refreshToken": _unusable(kind, person)}, headers=person.headers)

        assert response.status_code in {400, 401}
        assert limit_and_remaining(response) == (ANONYMOUS, ANONYMOUS - 1)

    @pytest.mark.parametrize(
        ("body", "media_type", "refusal"),
        [
            (b"", "application/json", (400, "VALIDATION_ERROR")),
            (b"{", "application/json", (400, "MALFORMED_JSON")),
            (b"[]", "application/json", (400, "VALIDATION_ERROR")),
            (b'"refreshToken"', "application/json", (400, "VALIDATION_ERROR")),
            (b"null", "application/json", (400, "VALIDATION_ERROR")),
            (b"\xff\xfe", "application/json", (400, "MALFORMED_JSON")),
            (b"[" * 4000, "application/json", (400, "MALFORMED_JSON")),
            (b'{"refreshToken": "' + b"a" * 5000 + b'"}', "application/json", (400, "VALIDATION_ERROR")),
            (b" " * (10 * 1024 * 1024 + 1), "application/json", (413, "PAYLOAD_TOO_LARGE")),
            (b"refreshToken=a", "application/x-www-form-urlencoded", (401, "INVALID_TOKEN")),
        ],
        ids=["empty", "malformed", "list", "text", "null", "no UTF-8", "deep", "long", "huge", "form"],
    )
    def test_a_refresh_with_an_invalid_body_counts_for_the_address(
        self, strict: FlaskClient, body: bytes, media_type: str, refusal: tuple[int, str]
    ) -> None:
        response = strict.post(REFRESH, data=body, content_type=media_type)

        assert error_of(response) == refusal
        assert limit_and_remaining(response) == (ANONYMOUS, ANONYMOUS - 1)

    def test_a_refresh_with_a_truncated_body_counts_for_the_address(
        self, strict: FlaskClient, person: SignedIn
    ) -> None:
        body = json.dumps({"refreshToken": person.refresh_token}).encode()
        cut_off: dict[str, Any] = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body[:-1])}

        response = strict.post(REFRESH, content_type="application/json", environ_overrides=cut_off)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert limit_and_remaining(response) == (ANONYMOUS, ANONYMOUS - 1)

    def test_a_refresh_token_on_another_route_is_ignored(self, strict: FlaskClient, person: SignedIn) -> None:
        response = strict.post("/api/auth/logout-all", json={"refreshToken": person.refresh_token})

        assert error_of(response) == (401, "NO_TOKEN")
        assert limit_and_remaining(response) == (ANONYMOUS, ANONYMOUS - 1)


class TestRedisUnavailable:
    @pytest.fixture(autouse=True)
    def _redis_afterwards(self, app: Flask, database: Any) -> Iterator[None]:
        del database
        yield
        wait_until_redis_counts(app)

    def test_the_limits_hold_in_each_process(self) -> None:
        url, limits = f"redis://127.0.0.1:{free_port()}/0", factories.rate_limits(auth=AUTH)
        with factories.another_app(redis_url=url, rate_limits=limits) as alone:
            assert statuses(alone.test_client(), SIGN_IN[0], AUTH + 1) == [400] * AUTH + [429]

    def test_a_response_describes_the_limit_though_redis_stopped_during_the_request(self, tmp_path: Path) -> None:
        with Valkey(tmp_path / "valkey", tmp_path) as server, factories.another_app(redis_url=server.url) as app:

            @app.get("/api/stop-redis")
            def stop_redis() -> str:
                server.stop()
                return ""

            responses = [app.test_client().get(path) for path in ("/api/stop-redis", "/api/auth/me")]

        assert [limit_and_remaining(response) for response in responses] == [(100, 99), (100, 99)]


def _unusable(kind: str, person: SignedIn) -> object:
    claims = jwt.decode(person.refresh_token, options={"verify_signature": False})
    past = {"exp": clock.now() - timedelta(seconds=11)}
    return {
        "access": person.access_token,
        "forged": jwt.encode(claims, settings().jwt_secret + "!"),
        "expired": jwt.encode({**claims, **past}, settings().jwt_refresh_secret),
        "another": jwt.encode({**claims, "sid": "nobody"}, settings().jwt_refresh_secret),
        "number": 5,
        "list": [person.refresh_token],
        "none": None,
    }[kind]
