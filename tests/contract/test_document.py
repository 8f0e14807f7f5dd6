"""The OpenAPI document is valid, and complete enough to build an app from it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator

Operation = dict[str, Any]
SIGNED = {"/api/webhooks/twilio/status"}
KINDS = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")
FILES = {
    ("GET /api/files/{filename}", "200"),
    ("GET /api/files/{filename}", "206"),
    ("GET /api/users/profile/export", "200"),
    ("GET /api/appointments/{appointment_id}/calendar.ics", "200"),
}
METHODS = {"get", "post", "put", "delete", "patch"}


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found: Any = app.test_client().get("/api/openapi.json").json
    return dict(found)


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, Operation]:
    """The operations by method and path; each includes the parameters of its path."""
    return {
        f"{method.upper()} {path}": {
            **operation,
            "parameters": [*item.get("parameters", ()), *operation.get("parameters", ())],
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_document_lists_exactly_the_routes_of_the_api(app: Flask, operations: dict[str, Operation]) -> None:
    routes = {
        f"{method} {_as_documented(str(rule))}"
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
        name: _content(response).get("example", {})
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if status.startswith("2") and (name, status) not in FILES
    }
    assert set(operations) - set(examples) <= {name for name, _ in FILES}
    envelope = {"success", "message", "data", "timestamp"}
    assert {name for name, example in examples.items() if set(example) != envelope} == set()


def test_every_request_body_has_an_example(operations: dict[str, Operation]) -> None:
    bodies = {name: operation["requestBody"] for name, operation in operations.items() if "requestBody" in operation}
    assert [name for name, body in bodies.items() if not _content(body).get("example")] == []


def test_every_error_response_has_the_schema_of_the_error_envelope(
    document: dict[str, Any], operations: dict[str, Operation]
) -> None:
    schemas = {
        f"{name} {status}": _content(_resolved(document, response)).get("schema")
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if status == "default" or status[0] in "45"
    }
    error = {"$ref": "#/components/schemas/ErrorOut"}
    assert {name: schema for name, schema in schemas.items() if schema != error} == {}


ERRORS: dict[str, tuple[Callable[[Operation], bool], set[str]]] = {
    "every operation": (bool, {"406", "429", "503"}),
    "with authentication": (lambda operation: "security" in operation, {"401", "403"}),
    "with a body": (lambda operation: "requestBody" in operation, {"400", "413", "415"}),
    "with a query": (lambda operation: _has_parameter(operation, "query"), {"400"}),
    "with a record": (lambda operation: _has_parameter(operation, "path"), {"404"}),
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
        for where, content in _contents(document["paths"])
        if "example" in content and "schema" in content
        for error in _validator(document, content["schema"]).iter_errors(content["example"])
    ]
    assert wrong == []


def test_documentation_page_loads_nothing_from_other_hosts(client: FlaskClient) -> None:
    page = client.get("/api/docs/")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text


def _has_parameter(operation: Operation, where: str) -> bool:
    return any(parameter.get("in") == where for parameter in operation["parameters"])


def _as_documented(rule: str) -> str:
    return "/".join(
        "{" + part[1:-1].partition(":")[2] + "}" if part.startswith("<") else part for part in rule.split("/")
    )


def _resolved(document: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in thing:
        return thing
    found: Any = document
    for part in thing["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _content(thing: dict[str, Any]) -> dict[str, Any]:
    content = thing.get("content", {})
    return dict(next((content[kind] for kind in KINDS if kind in content), {}))


def _contents(thing: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find every media type object, and where it is."""
    if isinstance(thing, dict):
        for kind in KINDS:
            if kind in thing:
                yield f"{where} {kind}", thing[kind]
        for key, inner in thing.items():
            yield from _contents(inner, f"{where} {key}")


def _validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})
