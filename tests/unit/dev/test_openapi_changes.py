"""Which changes of the OpenAPI document break installed apps."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from dev.openapi_changes import breaking_changes, main

Change = Callable[[dict[str, Any]], object]
OLD: dict[str, Any] = {
    "paths": {
        "/appointments/{id}": {
            "parameters": [{"in": "path", "name": "id", "required": True, "schema": {"type": "string"}}],
            "put": {
                "parameters": [{"in": "query", "name": "day", "schema": {"type": "string", "maxLength": 10}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Request"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Appointment"}}}},
                    "404": {},
                },
                "x-roles": ["doctor", "patient"],
            },
        }
    },
    "components": {
        "schemas": {
            "Request": {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": ["new", "again"]}, "note": {"type": "string"}},
                "required": ["kind"],
            },
            "Appointment": {
                "type": "object",
                "properties": {"_id": {"type": "string"}, "after": {"$ref": "#/components/schemas/Appointment"}},
                "required": ["_id"],
            },
        }
    },
}


def put(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/appointments/{id}"]["put"]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


BREAKING: dict[str, Change] = {
    "PUT /appointments/{id}: was removed": lambda new: new["paths"]["/appointments/{id}"].pop("put"),
    "PUT /appointments/{id}: requires a token now": lambda new: put(new).update(security=[]),
    "PUT /appointments/{id}: no longer allows the role patient": lambda new: put(new).update({"x-roles": ["doctor"]}),
    "PUT /appointments/{id}: the parameter day was removed": lambda new: put(new)["parameters"].clear(),
    "PUT /appointments/{id}: the parameter day is required now": lambda new: put(new)["parameters"][0].update(
        required=True
    ),
    "PUT /appointments/{id} day: maxLength is 8 now": lambda new: put(new)["parameters"][0]["schema"].update(
        maxLength=8
    ),
    "PUT /appointments/{id} day: has a different pattern": lambda new: put(new)["parameters"][0]["schema"].update(
        pattern="^2"
    ),
    "PUT /appointments/{id}: a body is required now": lambda new: put(new)["requestBody"].update(required=True),
    "PUT /appointments/{id}: no longer accepts application/json": lambda new: put(new)["requestBody"][
        "content"
    ].clear(),
    "PUT /appointments/{id} 200: is no longer returned": lambda new: put(new)["responses"].pop("200"),
    "PUT /appointments/{id}.note: was removed": lambda new: schema(new, "Request")["properties"].pop("note"),
    "PUT /appointments/{id}.note: is required now": lambda new: schema(new, "Request")["required"].append("note"),
    "PUT /appointments/{id}.kind: again is refused now": lambda new: schema(new, "Request")["properties"]["kind"][
        "enum"
    ].pop(),
    "PUT /appointments/{id} 200._id: was removed": lambda new: schema(new, "Appointment")["properties"].pop("_id"),
    "PUT /appointments/{id} 200._id: may be missing now": lambda new: schema(new, "Appointment")["required"].clear(),
    "PUT /appointments/{id} 200._id: string became integer": lambda new: schema(new, "Appointment")["properties"][
        "_id"
    ].update(type="integer"),
    "PUT /appointments/{id} 200._id: string became null or string": lambda new: schema(new, "Appointment")[
        "properties"
    ]["_id"].update(type=["string", "null"]),
}
COMPATIBLE: dict[str, Change] = {
    "another route": lambda new: new["paths"].update({"/more": {}}),
    "another optional field of a request": lambda new: schema(new, "Request")["properties"].update(
        more={"type": "string"}
    ),
    "a field that may be left out now": lambda new: schema(new, "Request")["required"].clear(),
    "another value that may be sent": lambda new: schema(new, "Request")["properties"]["kind"]["enum"].append("other"),
    "another field in the answer": lambda new: schema(new, "Appointment")["properties"].update(more={"type": "string"}),
    "another error response": lambda new: put(new)["responses"].update({"409": {}}),
    "a longer text": lambda new: put(new)["parameters"][0]["schema"].update(maxLength=20),
}


@pytest.mark.parametrize("expected", BREAKING)
def test_a_breaking_change_is_reported(expected: str) -> None:
    new = deepcopy(OLD)
    BREAKING[expected](new)

    assert [*breaking_changes(OLD, new)] == [expected]


@pytest.mark.parametrize("change", COMPATIBLE)
def test_a_compatible_change_is_not_reported(change: str) -> None:
    new = deepcopy(OLD)
    COMPATIBLE[change](new)

    assert new != OLD
    assert [*breaking_changes(OLD, new)] == []


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for file, document in zip(files, (OLD, {**OLD, "paths": {}}), strict=True):
        file.write_text(json.dumps(document))

    assert (main(str(files[0]), str(files[0])), main(str(files[0]), str(files[1]))) == (0, 1)
    assert capsys.readouterr().out == "No breaking changes.\nPUT /appointments/{id}: was removed\n"
