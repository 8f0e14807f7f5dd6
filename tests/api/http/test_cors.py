"""Which web pages may call the API."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import factories

ORIGIN = "http://localhost:3000"
ASKING = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, content-type"}
OTHERS = [
    "http://evil.example",
    "http://localhost:3001",
    "https://localhost:3000",
    "http://localhost:3000.evil.example",
    "http://evil.example/http://localhost:3000",
    "null",
    "*",
]


def preflight(client: FlaskClient, path: str = "/api/users/profile", origin: str = ORIGIN, **more: str) -> TestResponse:
    return client.options(path, headers={"Origin": origin, **ASKING, **more})


def listed(response: TestResponse, name: str) -> set[str]:
    return {one.strip().lower() for one in response.headers[name].split(",")}


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:19006"])
def test_a_page_of_ours_may_ask(client: FlaskClient, origin: str) -> None:
    response = preflight(client, origin=origin)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


def test_the_methods_of_the_contract_are_allowed(client: FlaskClient) -> None:
    allowed = listed(preflight(client), "Access-Control-Allow-Methods")

    assert allowed == {"get", "post", "put", "delete", "options"}


@pytest.mark.parametrize("name", ["authorization", "content-type", "idempotency-key", "x-request-id"])
def test_the_headers_that_the_app_sends_are_allowed(client: FlaskClient, name: str) -> None:
    response = preflight(client, **{"Access-Control-Request-Headers": name})

    assert listed(response, "Access-Control-Allow-Headers") == {name}


def test_other_headers_are_not_allowed(client: FlaskClient) -> None:
    response = preflight(client, **{"Access-Control-Request-Headers": "x-evil, authorization"})

    assert listed(response, "Access-Control-Allow-Headers") == {"authorization"}


def test_a_preflight_needs_no_token_and_is_not_counted(client: FlaskClient) -> None:
    response = preflight(client)

    assert response.status_code == 200
    assert "RateLimit-Remaining" not in response.headers


@pytest.mark.parametrize("origin", OTHERS)
def test_a_page_of_somebody_else_may_not(client: FlaskClient, origin: str) -> None:
    assert not [name for name, _ in preflight(client, origin=origin).headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/api/auth/me", 401), ("/api/nowhere", 404), ("/api/auth/send-otp", 405)]
)
def test_a_page_of_ours_can_read_every_answer(client: FlaskClient, path: str, status: int) -> None:
    response = client.get(path, headers={"Origin": ORIGIN})

    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "name", ["X-Request-ID", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
)
def test_a_page_can_read_the_headers_that_it_needs(client: FlaskClient, name: str) -> None:
    response = client.get("/api/auth/me", headers={"Origin": ORIGIN})

    assert name.lower() in listed(response, "Access-Control-Expose-Headers")


def test_caches_keep_the_answers_of_origins_apart(client: FlaskClient) -> None:
    assert "Origin" in client.get("/health", headers={"Origin": ORIGIN}).headers["Vary"]


def test_without_an_origin_nothing_is_said(client: FlaskClient) -> None:
    assert "Access-Control-Allow-Origin" not in client.get("/health").headers


class TestProduction:
    @pytest.fixture(params=[(), ("https://clinic.example",)], ids=["none", "one"], name="origins")
    def _origins(self, request: pytest.FixtureRequest) -> tuple[str, ...]:
        origins: tuple[str, ...] = request.param
        return origins

    @pytest.fixture
    def production(self, app: Flask, database: Any, origins: tuple[str, ...]) -> Iterator[FlaskClient]:
        del app, database
        with factories.another_app(cors_origins=origins) as application:
            yield application.test_client()

    def test_only_what_was_configured_is_let_in(self, production: FlaskClient) -> None:
        asked = [*OTHERS, ORIGIN, "https://clinic.example.evil.example"]

        responses = [production.get("/health", headers={"Origin": origin}) for origin in asked]

        assert [one.headers.get("Access-Control-Allow-Origin") for one in responses] == [None] * len(asked)

    def test_what_was_configured_is_let_in(self, production: FlaskClient, origins: tuple[str, ...]) -> None:
        response = production.get("/health", headers={"Origin": "https://clinic.example"})

        assert response.headers.getlist("Access-Control-Allow-Origin") == list(origins)
