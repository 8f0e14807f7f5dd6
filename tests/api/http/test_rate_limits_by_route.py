"""The stricter budgets of some routes, and whose budget a refresh is charged to."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.config import settings
from arthomed.core import clock
from arthomed.http.limits import Budget
from dev.servers import Valkey, free_port
from tests import factories
from tests.factories import SignedIn, refused

AUTH, BOOKING, UPLOAD, ANONYMOUS, USER = 3, 2, 1, 5, 6
SIGNING_IN = ["/api/auth/send-otp", "/api/auth/verify-otp", "/api/auth/register"]
BOOK, REFRESH = "/api/appointments/book", "/api/auth/refresh-token"
REFUSAL = (429, "RATE_LIMIT_EXCEEDED")


@pytest.fixture(scope="module")
def strict_app(app: Flask) -> Iterator[Flask]:
    """The application with budgets that are soon used up."""
    del app
    with factories.another_app(
        rate_limit_auth=AUTH,
        rate_limit_booking=BOOKING,
        rate_limit_upload=UPLOAD,
        rate_limit_anonymous=ANONYMOUS,
        rate_limit_user=USER,
    ) as application:
        yield application


@pytest.fixture
def strict(strict_app: Flask, client: FlaskClient) -> FlaskClient:
    """Its client, before anything was counted."""
    del client  # it empties Redis
    return strict_app.test_client()


def post(client: FlaskClient, path: str, *, address: str = "127.0.0.1", **headers: str) -> TestResponse:
    """Send what the route refuses, which counts as any other request."""
    return client.post(path, json={}, headers=headers, environ_base={"REMOTE_ADDR": address})


def statuses(client: FlaskClient, path: str, times: int, **headers: str) -> list[int]:
    return [post(client, path, **headers).status_code for _ in range(times)]


def budget_of(response: TestResponse) -> tuple[int, int]:
    """Limit and remaining."""
    return int(response.headers["RateLimit-Limit"]), int(response.headers["RateLimit-Remaining"])


def test_signing_in_and_booking_have_a_budget_of_their_own(app: Flask) -> None:
    marked = {name: budget for name, view in app.view_functions.items() if (budget := getattr(view, "budget", None))}

    assert marked == {
        "auth.send_code": Budget.AUTH,
        "auth.verify_code": Budget.AUTH,
        "auth.register": Budget.AUTH,
        "privacy.erase": Budget.AUTH,
        "appointments.book": Budget.BOOKING,
        "attachments.upload": Budget.UPLOAD,
        "files.upload_portrait": Budget.UPLOAD,
    }


class TestSigningIn:
    @pytest.mark.parametrize("path", SIGNING_IN)
    def test_one_more_is_refused(self, strict: FlaskClient, path: str) -> None:
        assert statuses(strict, path, AUTH + 1) == [400] * AUTH + [429]

    def test_its_routes_share_one_budget(self, strict: FlaskClient) -> None:
        for path in SIGNING_IN:
            post(strict, path)

        assert refused(post(strict, SIGNING_IN[0])) == REFUSAL

    def test_addresses_have_budgets_of_their_own(self, strict: FlaskClient) -> None:
        statuses(strict, SIGNING_IN[0], AUTH + 1)

        assert post(strict, SIGNING_IN[0], address="198.51.100.1").status_code == 400

    def test_who_is_signed_in_has_no_other_budget_than_the_address(
        self, strict_app: Flask, strict: FlaskClient
    ) -> None:
        statuses(strict, SIGNING_IN[0], AUTH)

        assert refused(post(strict, SIGNING_IN[0], **factories.sign_in(strict_app).headers)) == REFUSAL

    def test_a_refusal_says_when_to_try_again(self, strict: FlaskClient) -> None:
        statuses(strict, SIGNING_IN[0], AUTH)
        response = post(strict, SIGNING_IN[0])

        assert budget_of(response) == (AUTH, 0)
        assert 890 <= int(response.headers["Retry-After"]) <= 900

    def test_everything_else_goes_on(self, strict: FlaskClient) -> None:
        statuses(strict, SIGNING_IN[0], 10)

        assert budget_of(strict.get("/api/auth/me")) == (ANONYMOUS, ANONYMOUS - AUTH - 1)

    def test_it_counts_for_the_address_as_well(self, strict: FlaskClient) -> None:
        for _ in range(ANONYMOUS):
            strict.get("/api/auth/me")

        assert budget_of(post(strict, SIGNING_IN[0])) == (ANONYMOUS, 0)

    def test_the_headers_tell_of_the_budget_that_is_used_up_first(self, strict: FlaskClient) -> None:
        told = [budget_of(post(strict, SIGNING_IN[0]))]
        for _ in range(ANONYMOUS - 2):
            strict.get("/api/auth/me")
        told.append(budget_of(post(strict, SIGNING_IN[0])))

        assert told == [(AUTH, AUTH - 1), (ANONYMOUS, 0)]

    def test_each_header_comes_once(self, strict: FlaskClient) -> None:
        headers = post(strict, SIGNING_IN[0]).headers

        assert [len(headers.getlist(f"RateLimit-{name}")) for name in ("Limit", "Remaining", "Reset")] == [1, 1, 1]

    def test_a_preflight_is_not_counted(self, strict: FlaskClient) -> None:
        for _ in range(AUTH + 1):
            strict.options(SIGNING_IN[0])

        assert budget_of(post(strict, SIGNING_IN[0])) == (AUTH, AUTH - 1)


class TestBooking:
    @pytest.fixture
    def person(self, strict_app: Flask, strict: FlaskClient) -> SignedIn:
        del strict  # it empties the database
        return factories.sign_in(strict_app)

    def test_one_more_is_refused(self, strict: FlaskClient, person: SignedIn) -> None:
        assert statuses(strict, BOOK, BOOKING + 1, **person.headers) == [400] * BOOKING + [429]

    def test_one_with_files_costs_an_upload_too(self, strict: FlaskClient, person: SignedIn) -> None:
        responses = [
            strict.post(BOOK, data={"images": [factories.picture()]}, headers=person.headers) for _ in range(UPLOAD + 1)
        ]

        assert [response.status_code for response in responses] == [400] * UPLOAD + [429]
        assert statuses(strict, BOOK, 1, **person.headers) == [400]

    def test_a_user_has_one_budget_on_all_devices_and_addresses(
        self, strict_app: Flask, strict: FlaskClient, person: SignedIn
    ) -> None:
        statuses(strict, BOOK, BOOKING, **person.headers)
        tablet = factories.sign_in(strict_app, person.user)

        assert refused(post(strict, BOOK, address="198.51.100.1", **tablet.headers)) == REFUSAL

    def test_users_have_budgets_of_their_own(self, strict_app: Flask, strict: FlaskClient, person: SignedIn) -> None:
        statuses(strict, BOOK, BOOKING, **person.headers)

        assert post(strict, BOOK, **factories.sign_in(strict_app).headers).status_code == 400

    def test_the_anonymous_do_not_use_up_what_users_have(self, strict: FlaskClient, person: SignedIn) -> None:
        assert statuses(strict, BOOK, BOOKING + 1) == [401] * BOOKING + [429]
        assert post(strict, BOOK, **person.headers).status_code == 400

    def test_everything_else_goes_on(self, strict: FlaskClient, person: SignedIn) -> None:
        statuses(strict, BOOK, BOOKING + 1, **person.headers)

        assert strict.get("/api/auth/me", headers=person.headers).status_code == 200

    def test_it_and_signing_in_have_budgets_of_their_own(self, strict: FlaskClient) -> None:
        statuses(strict, BOOK, BOOKING)

        assert budget_of(post(strict, SIGNING_IN[0]))[0] == AUTH


class TestRefreshing:
    @pytest.fixture
    def person(self, strict_app: Flask, strict: FlaskClient) -> SignedIn:
        del strict  # it empties the database
        return factories.sign_in(strict_app)

    def test_it_is_charged_to_the_user(self, strict: FlaskClient, person: SignedIn) -> None:
        response = strict.post(REFRESH, json={"refreshToken": person.refresh_token})

        assert (response.status_code, budget_of(response)) == (200, (USER, USER - 1))

    def test_it_counts_with_what_the_user_does_otherwise(self, strict: FlaskClient, person: SignedIn) -> None:
        strict.post(REFRESH, json={"refreshToken": person.refresh_token})

        assert budget_of(strict.get("/api/auth/me", headers=person.headers)) == (USER, USER - 2)

    def test_a_town_behind_one_address_can_refresh(self, strict_app: Flask, strict: FlaskClient) -> None:
        for _ in range(ANONYMOUS):
            strict.get("/api/auth/me")
        people = [factories.sign_in(strict_app) for _ in range(ANONYMOUS + 1)]

        responses = [strict.post(REFRESH, json={"refreshToken": one.refresh_token}).status_code for one in people]

        assert responses == [200] * len(people)

    def test_a_user_who_refreshes_without_end_is_refused(self, strict: FlaskClient, person: SignedIn) -> None:
        responses = [
            strict.post(REFRESH, json={"refreshToken": person.refresh_token}, environ_base={"REMOTE_ADDR": address})
            for address in [f"198.51.100.{one}" for one in range(USER + 1)]
        ]

        assert refused(responses[USER]) == REFUSAL

    @pytest.mark.parametrize("kind", ["access", "forged", "expired", "another", "number", "list", "none"])
    def test_without_a_good_token_it_is_charged_to_the_address(
        self, strict: FlaskClient, person: SignedIn, kind: str
    ) -> None:
        response = strict.post(REFRESH, json={"refreshToken": _no_good(kind, person)}, headers=person.headers)

        assert response.status_code in {400, 401}
        assert budget_of(response) == (ANONYMOUS, ANONYMOUS - 1)

    @pytest.mark.parametrize(
        ("body", "media_type", "refusal"),
        [
            (b"", "application/json", (400, "VALIDATION_ERROR")),
            (b"{", "application/json", (400, "MALFORMED_JSON")),
            (b"[]", "application/json", (400, "VALIDATION_ERROR")),
            (b'"refreshToken"', "application/json", (400, "VALIDATION_ERROR")),
            (b"\xff\xfe", "application/json", (400, "MALFORMED_JSON")),
            (b"[" * 4000, "application/json", (400, "MALFORMED_JSON")),
            (b'{"refreshToken": "' + b"a" * 5000 + b'"}', "application/json", (400, "VALIDATION_ERROR")),
            (b" " * (1024 * 1024 + 1), "application/json", (413, "PAYLOAD_TOO_LARGE")),
            (b"refreshToken=a", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ],
        ids=["empty", "malformed", "list", "text", "no UTF-8", "deep", "long", "huge", "form"],
    )
    def test_what_is_no_such_body_is_refused_as_ever_and_charged_to_the_address(
        self, strict: FlaskClient, body: bytes, media_type: str, refusal: tuple[int, str]
    ) -> None:
        response = strict.post(REFRESH, data=body, content_type=media_type)

        assert refused(response) == refusal
        assert budget_of(response) == (ANONYMOUS, ANONYMOUS - 1)

    def test_a_body_that_breaks_off_is_refused_as_ever(self, strict: FlaskClient, person: SignedIn) -> None:
        body = json.dumps({"refreshToken": person.refresh_token}).encode()
        cut_off: dict[str, Any] = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body[:-1])}

        response = strict.post(REFRESH, content_type="application/json", environ_overrides=cut_off)

        assert refused(response) == (400, "VALIDATION_ERROR")
        assert budget_of(response) == (ANONYMOUS, ANONYMOUS - 1)

    def test_only_there_a_refresh_token_counts_for_the_user(self, strict: FlaskClient, person: SignedIn) -> None:
        response = strict.post("/api/auth/logout", json={"refreshToken": person.refresh_token})

        assert budget_of(response) == (ANONYMOUS, ANONYMOUS - 1)


class TestRedisAway:
    def test_the_budgets_hold_in_each_process(self, app: Flask, client: FlaskClient) -> None:
        del app, client
        with factories.another_app(redis_url=f"redis://127.0.0.1:{free_port()}/0", rate_limit_auth=AUTH) as alone:
            assert statuses(alone.test_client(), SIGNING_IN[0], AUTH + 1) == [400] * AUTH + [429]

    def test_what_was_counted_is_told_though_it_died_since(self, app: Flask, database: Any, tmp_path: Path) -> None:
        del app, database
        with Valkey(tmp_path / "valkey", tmp_path) as server, factories.another_app(redis_url=server.url) as dying:

            @dying.get("/api/death")
            def die() -> str:
                server.stop()
                return ""

            responses = [dying.test_client().get(path) for path in ("/api/death", "/api/auth/me")]

        assert [budget_of(response) for response in responses] == [(100, 99), (100, 99)]


def _no_good(kind: str, person: SignedIn) -> object:
    claims = jwt.decode(person.refresh_token, options={"verify_signature": False})
    past = {"exp": clock.now() - timedelta(seconds=1)}
    return {
        "access": person.access_token,
        "forged": jwt.encode(claims, settings().jwt_secret + "!"),
        "expired": jwt.encode({**claims, **past}, settings().jwt_refresh_secret),
        "another": jwt.encode({**claims, "sub": "nobody"}, settings().jwt_refresh_secret),
        "number": 5,
        "list": [person.refresh_token],
        "none": None,
    }[kind]
