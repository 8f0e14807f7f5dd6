"""Query parameters: unknown and repeated ones are refused on every route."""

import pytest
from flask.testing import FlaskClient

from tests import factories
from tests.factories import SignedIn, envelope_of, error_of, invalid_fields

UNKNOWN = f"/{factories.UNKNOWN_ID}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/auth/me"),
        ("GET", "/api/users/profile"),
        ("PUT", "/api/users/profile"),
        ("GET", f"/api/appointments{UNKNOWN}"),
        ("GET", f"/api/appointments{UNKNOWN}/calendar.ics"),
        ("GET", "/api/appointments/my-appointments"),
        ("GET", "/api/files/unknown.png"),
        ("DELETE", "/api/files/unknown.png"),
        ("GET", "/api/users/doctors"),
        ("POST", "/api/auth/send-otp"),
        ("POST", "/api/auth/refresh-token"),
    ],
)
def test_an_unknown_parameter_is_refused(client: FlaskClient, person: SignedIn, method: str, path: str) -> None:
    response = client.open(f"{path}?include=notes", method=method, headers=person.headers)

    assert invalid_fields(response) == ["include"]
    assert envelope_of(response)["errors"][0]["message"] == "Unknown field."


def test_a_token_is_checked_before_the_parameters(client: FlaskClient) -> None:
    assert error_of(client.get("/api/auth/me?x=1")) == (401, "NO_TOKEN")


@pytest.mark.parametrize("path", ["/health?x=1", "/health/ready?x=1", "/api/docs?x=1", "/api/openapi.json?v=2"])
def test_health_and_documentation_ignore_parameters(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code in {200, 503}


@pytest.mark.parametrize("query", ["page=1&page=2", "page=1&page=1", "status=pending&limit=5&limit=5", "page&page"])
def test_a_repeated_parameter_is_refused(client: FlaskClient, person: SignedIn, query: str) -> None:
    response = client.get(f"/api/appointments/my-appointments?{query}", headers=person.headers)

    assert error_of(response) == (400, "VALIDATION_ERROR")
    assert envelope_of(response)["errors"][0]["message"] == "Must be given once."


def test_a_long_name_is_repeated_in_part_only(client: FlaskClient, person: SignedIn) -> None:
    response = client.get(f"/api/auth/me?{'n' * 4000}=1", headers=person.headers)

    assert invalid_fields(response) == ["n" * 200]
