"""Refused fields: secrets are not repeated, unknown fields are refused by every route."""

import re
from operator import itemgetter
from typing import Any, ClassVar

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.core.permissions import Role
from tests import factories
from tests.contract.test_document import SIGNED
from tests.factories import SignedIn, envelope_of, error_of, invalid_fields


class TestSecrets:
    @pytest.mark.parametrize(
        "body",
        [
            {"mobileNumber": "9876543210", "otp": "11111x"},
            {"otp": {"value": "11111x"}},
            {"code": {"otp": "11111x"}},
            {"codes": [{"otp": "11111x"}]},
            {"x": [[{"y": {"refreshToken": "11111x"}}]]},
            [{"otp": "11111x"}],
            {"_schema": 1, "otp": "11111x"},
        ],
        ids=["field", "object", "in an object", "in a list", "deeper", "list", "whole body"],
    )
    def test_a_secret_is_never_repeated(self, client: FlaskClient, body: Any) -> None:
        response = client.post("/api/auth/verify-otp", json=body)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert "11111x" not in response.text

    def test_other_values_are_repeated_beside_a_secret(self, client: FlaskClient) -> None:
        response = client.post("/api/auth/verify-otp", json={"mobileNumber": "12345", "otp": "x"})

        assert sorted(envelope_of(response)["errors"], key=itemgetter("field")) == [
            {"field": "mobileNumber", "message": "Mobile number must be exactly 10 digits", "value": "12345"},
            {"field": "otp", "message": "OTP must be exactly 6 digits"},
        ]


class TestLongNames:
    """A response repeats the first 200 characters of a name that the client chose."""

    NAME: ClassVar = "n" * 60_000

    @pytest.mark.parametrize(
        "body",
        [{NAME: 1}, {NAME: "x" * 100_001}, {"device": {NAME: "x" * 100_001}}, {"device": {NAME: {NAME: 1}}}],
        ids=["unknown", "with a long text", "in an object", "deeper"],
    )
    def test_a_name_in_json(self, client: FlaskClient, body: Any) -> None:
        response = client.post("/api/auth/verify-otp", json=body)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert len(response.data) < 2000

    def test_a_name_in_a_form(self, client: FlaskClient) -> None:
        response = client.post("/api/auth/send-otp", data={self.NAME: "x" * 100_001})

        assert invalid_fields(response) == ["n" * 200]

    def test_a_name_of_a_file(self, client: FlaskClient, person: SignedIn) -> None:
        response = client.post("/api/appointments/book", data={self.NAME: factories.picture()}, headers=person.headers)

        assert invalid_fields(response) == ["n" * 200]

    def test_a_repeated_parameter(self, client: FlaskClient, person: SignedIn) -> None:
        query = "&".join(["n" * 3000 + "=1"] * 2)

        assert invalid_fields(client.get(f"/api/users/doctors?{query}", headers=person.headers)) == ["n" * 200]


def takes(operation: dict[str, Any], where: str) -> bool:
    """Whether a route has a body or a query."""
    if where == "requestBody":
        return "requestBody" in operation
    return any(one.get("in") == "query" for one in operation.get("parameters", []))


def with_unknown_field(operation: dict[str, Any], where: str) -> dict[str, Any]:
    """Arguments of the test client for a request with an unknown field."""
    unknown = {"colour": "red"}
    if where == "parameters":
        return {"query_string": unknown}
    if "application/json" in operation["requestBody"]["content"]:
        return {"json": unknown}
    return {"data": unknown, "content_type": "multipart/form-data"}


class TestUnknownFields:
    """Every route of the OpenAPI document."""

    UNKNOWN: ClassVar = {"field": "colour", "message": "Unknown field.", "value": "red"}

    @pytest.fixture(params=["requestBody", "parameters"], name="refusals")
    def _refusals(self, request: pytest.FixtureRequest, app: Flask, client: FlaskClient) -> dict[str, Any]:
        """By route: the response to an unknown field in the body or in the query."""
        document = envelope_of(client.get("/api/openapi.json"))
        people = {str(role): factories.sign_in(app, factories.make_user(role)) for role in Role}
        return {
            f"{method} {path}": client.open(
                re.sub(r"{.*?}", str(ObjectId()), path),
                method=method,
                headers=people[operation["x-roles"][0]].headers if "x-roles" in operation else {},
                **with_unknown_field(operation, request.param),
            )
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
            if method != "parameters" and takes(operation, request.param) and path not in SIGNED
        }

    def test_an_unknown_field_is_refused_by_every_route(self, refusals: dict[str, TestResponse]) -> None:
        assert refusals
        assert [
            route
            for route, response in refusals.items()
            if response.status_code != 400 or self.UNKNOWN not in envelope_of(response)["errors"]
        ] == []
