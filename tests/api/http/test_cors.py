"""CORS: the origins, methods and headers that are allowed."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import factories

ORIGIN = "http://localhost:3000"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization, content-type"}
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
    return client.options(path, headers={"Origin": origin, **PREFLIGHT, **more})


def listed(response: TestResponse, name: str) -> set[str]:
    return {one.strip().lower() for one in response.headers[name].split(",")}


@pytest.mark.parametrize("port", [3000, 19006, 8081, 5173])
def test_a_configured_origin_is_allowed(client: FlaskClient, port: int) -> None:
    origin = f"http://localhost:{port}"
    response = preflight(client, origin=origin)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


def test_the_methods_of_the_contract_are_allowed(client: FlaskClient) -> None:
    allowed = listed(preflight(client), "Access-Control-Allow-Methods")

    assert allowed == {"get", "post", "put", "delete", "options"}


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "content-type",
        "idempotency-key",
        "x-request-id",
        "if-none-match",
        "if-match",
        "if-range",
        "range",
    ],
)
def test_the_headers_of_the_contract_are_allowed(client: FlaskClient, name: str) -> None:
    response = preflight(client, **{"Access-Control-Request-Headers": name})

    assert listed(response, "Access-Control-Allow-Headers") == {name}


def test_other_headers_are_not_allowed(client: FlaskClient) -> None:
    response = preflight(client, **{"Access-Control-Request-Headers": "x-evil, authorization"})

    assert listed(response, "Access-Control-Allow-Headers") == {"authorization"}


def test_a_preflight_needs_no_token_and_no_rate_limit(client: FlaskClient) -> None:
    response = preflight(client)

    assert response.status_code == 200
    assert "RateLimit-Remaining" not in response.headers


@pytest.mark.parametrize("origin", OTHERS)
def test_another_origin_is_not_allowed(client: FlaskClient, origin: str) -> None:
    assert not [name for name, _ in preflight(client, origin=origin).headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/api/auth/me", 401), ("/api/nowhere", 404), ("/api/auth/send-otp", 405)]
)
def test_a_configured_origin_can_read_every_response(client: FlaskClient, path: str, status: int) -> None:
    response = client.get(path, headers={"Origin": ORIGIN})

    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize(
    "name",
    [
        "X-Request-ID",
        "Retry-After",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "ETag",
        "Content-Disposition",
        "Content-Range",
        "Location",
    ],
)
def test_headers_that_clients_read_are_exposed(client: FlaskClient, name: str) -> None:
    response = client.get("/api/auth/me", headers={"Origin": ORIGIN})

    assert name.lower() in listed(response, "Access-Control-Expose-Headers")


def test_responses_vary_by_origin(client: FlaskClient) -> None:
    assert "Origin" in client.get("/health", headers={"Origin": ORIGIN}).headers["Vary"]


def test_a_request_without_an_origin_gets_no_cors_headers(client: FlaskClient) -> None:
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

    def test_origins_that_are_not_configured_are_refused(self, production: FlaskClient) -> None:
        origins = [*OTHERS, ORIGIN, "https://clinic.example.evil.example"]

        responses = [production.get("/health", headers={"Origin": origin}) for origin in origins]

        assert [one.headers.get("Access-Control-Allow-Origin") for one in responses] == [None] * len(origins)

    def test_only_a_configured_origin_is_allowed(self, production: FlaskClient, origins: tuple[str, ...]) -> None:
        response = production.get("/health", headers={"Origin": "https://clinic.example"})

        assert response.headers.getlist("Access-Control-Allow-Origin") == list(origins)
