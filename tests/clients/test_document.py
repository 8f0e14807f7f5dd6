"""The committed OpenAPI document and Postman collection match the code. If not, run `make openapi`."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from dev.postman import CLIENTS, collection

COLLECTION = CLIENTS / "postman" / "arthomed.postman_collection.json"


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found: Any = app.test_client().get("/api/openapi.json").json
    return dict(found)


def test_committed_document_matches_the_code(document: dict[str, Any]) -> None:
    assert json.loads((CLIENTS / "openapi.json").read_text()) == document


def test_committed_postman_collection_matches_the_document(document: dict[str, Any]) -> None:
    assert json.loads(COLLECTION.read_text()) == collection(document)


def test_postman_collection_has_every_operation(document: dict[str, Any]) -> None:
    requests = [one["request"] for folder in collection(document)["item"] for one in folder["item"]]

    found = {(one["method"], re.sub(r":(\w+)", r"{\1}", "/" + "/".join(one["url"]["path"]))) for one in requests}

    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == {(method, path) for method, path in documented if method != "PARAMETERS"}


def test_requests_of_the_postman_collection_have_example_values(document: dict[str, Any]) -> None:
    folders = {folder["name"]: folder["item"] for folder in collection(document)["item"]}
    [booking] = [one["request"] for one in folders["appointments"] if one["request"]["url"]["path"][-1] == "book"]

    assert json.loads(booking["body"]["raw"])["appointmentTime"] == "09:30"
    assert [(one["key"], one["value"]) for one in booking["header"]] == [("Idempotency-Key", "{{$guid}}")]
