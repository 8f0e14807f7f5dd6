"""The OpenAPI document is valid, and complete enough to build an app from it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.contract.operations import (
    Operation,
    as_documented,
    content_of,
    contents,
    errors_of,
    examples_of,
    has_parameter,
    validator,
)

SIGNED = {"/api/webhooks/twilio/status"}
FILES = {
    ("GET /api/files/{filename}", "200"),
    ("GET /api/files/{filename}", "206"),
    ("GET /api/users/profile/export", "200"),
    ("GET /api/appointments/{appointment_id}/calendar.ics", "200"),
    ("GET /api/payments/{payment_id}/receipt", "200"),
}


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_document_lists_exactly_the_routes_of_the_api(app: Flask, operations: dict[str, Operation]) -> None:
    routes = {
        f"{method} {as_documented(str(rule))}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if str(rule).startswith("/api/") and not str(rule).startswith(("/api/docs", "/api/openapi.json"))
    }
    assert set(operations) == routes


def test_every_operation_has_a_summary(operations: dict[str, Operation]) -> None:
    summaries = {name: operation.get("summary") for name, operation in operations.items()}
    assert [name for name, summary in summaries.items() if not summary] == []


def test_every_success_response_has_an_example_in_the_envelope(operations: dict[str, Operation]) -> None:
    examples = {
        name: content_of(response).get("example", {})
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and (name, status) not in FILES
    }
    assert set(operations) - set(examples) <= {name for name, _ in FILES}
    envelope = {"success", "message", "data", "timestamp"}
    assert {name for name, example in examples.items() if set(example) != envelope} == set()


def test_every_request_body_has_an_example(operations: dict[str, Operation]) -> None:
    bodies = {name: operation["requestBody"] for name, operation in operations.items() if "requestBody" in operation}
    assert [name for name, body in bodies.items() if not content_of(body).get("example")] == []


def test_every_error_response_has_the_schema_of_the_error_envelope(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    schemas = {
        f"{name} {status}": content_of(response).get("schema")
        for name, operation in operations.items()
        for status, response in errors_of(document, operation).items()
    }
    error = {"$ref": "#/components/schemas/ErrorOut"}
    assert {name: schema for name, schema in schemas.items() if schema != error} == {}


ERRORS: dict[str, tuple[Callable[[Operation], bool], set[str]]] = {
    "every operation": (bool, {"406", "429", "500", "503"}),
    "with a permission": (lambda operation: "x-permission" in operation, {"401", "403"}),
    "with a body": (lambda operation: "requestBody" in operation, {"400", "413", "415"}),
    "with a query": (lambda operation: has_parameter(operation, "query"), {"400"}),
    "with a record": (lambda operation: has_parameter(operation, "path"), {"404"}),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_operations_document_their_error_responses(operations: dict[str, Operation], kind: str) -> None:
    is_of_kind, statuses = ERRORS[kind]
    found = {name: operation for name, operation in operations.items() if is_of_kind(operation)}
    assert found
    assert [name for name, operation in found.items() if not statuses <= set(operation["responses"])] == []


def test_every_example_is_valid_for_its_schema(document: dict[str, Any]) -> None:
    wrong = [
        f"{where}: {error.message} at {error.json_path}"
        for where, content in contents({"paths": document["paths"], "responses": document["components"]["responses"]})
        for example in examples_of(content)
        for error in validator(document, content["schema"]).iter_errors(example)
    ]
    assert wrong == []


def test_documentation_page_loads_nothing_from_other_hosts(client: FlaskClient) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
