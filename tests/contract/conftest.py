"""The OpenAPI document, and a server for these tests only: generated requests of an admin change all records."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from dev.servers import Mongo, Valkey
from tests.contract.operations import Operation
from tests.faults.clinic import Clinic
from tests.stack import stack_with

METHODS = {"get", "post", "put", "delete", "patch"}


@pytest.fixture(scope="session")
def server(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    stack = stack_with(mongo, valkey, tmp_path_factory.mktemp("contract"), redis=2, parts=("web",))
    with stack, Clinic(stack) as clinic:
        yield clinic


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
