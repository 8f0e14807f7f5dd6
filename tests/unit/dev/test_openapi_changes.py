"""Which changes of the API break the apps that are installed."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from dev.openapi_changes import breaking, main

Change = Callable[[dict[str, Any]], object]
OLD: dict[str, Any] = {
    "paths": {
        "/visits/{id}": {
            "parameters": [{"in": "path", "name": "id", "required": True, "schema": {"type": "string"}}],
            "put": {
                "parameters": [{"in": "query", "name": "day", "schema": {"type": "string", "maxLength": 10}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Wish"}}}},
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Visit"}}}},
                    "404": {},
                },
                "x-roles": ["doctor", "patient"],
            },
        }
    },
    "components": {
        "schemas": {
            "Wish": {
                "type": "object",
                "properties": {"kind": {"type": "string", "enum": ["new", "again"]}, "note": {"type": "string"}},
                "required": ["kind"],
            },
            "Visit": {
                "type": "object",
                "properties": {"_id": {"type": "string"}, "after": {"$ref": "#/components/schemas/Visit"}},
                "required": ["_id"],
            },
        }
    },
}


def put(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"]["/visits/{id}"]["put"]
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


BREAK: dict[str, Change] = {
    "PUT /visits/{id}: is gone": lambda new: new["paths"]["/visits/{id}"].pop("put"),
    "PUT /visits/{id}: wants a token now": lambda new: put(new).update(security=[]),
    "PUT /visits/{id}: is not for the role patient any more": lambda new: put(new).update({"x-roles": ["doctor"]}),
    "PUT /visits/{id}: the parameter day is gone": lambda new: put(new)["parameters"].clear(),
    "PUT /visits/{id}: the parameter day is needed now": lambda new: put(new)["parameters"][0].update(required=True),
    "PUT /visits/{id} day: maxLength is 8 now": lambda new: put(new)["parameters"][0]["schema"].update(maxLength=8),
    "PUT /visits/{id} day: has another pattern": lambda new: put(new)["parameters"][0]["schema"].update(pattern="^2"),
    "PUT /visits/{id}: a body is needed now": lambda new: put(new)["requestBody"].update(required=True),
    "PUT /visits/{id}: takes no application/json any more": lambda new: put(new)["requestBody"]["content"].clear(),
    "PUT /visits/{id} 200: is not answered any more": lambda new: put(new)["responses"].pop("200"),
    "PUT /visits/{id}.note: is gone": lambda new: schema(new, "Wish")["properties"].pop("note"),
    "PUT /visits/{id}.note: is needed now": lambda new: schema(new, "Wish")["required"].append("note"),
    "PUT /visits/{id}.kind: again is refused now": lambda new: schema(new, "Wish")["properties"]["kind"]["enum"].pop(),
    "PUT /visits/{id} 200._id: is gone": lambda new: schema(new, "Visit")["properties"].pop("_id"),
    "PUT /visits/{id} 200._id: may be missing now": lambda new: schema(new, "Visit")["required"].clear(),
    "PUT /visits/{id} 200._id: string became integer": lambda new: schema(new, "Visit")["properties"]["_id"].update(
        type="integer"
    ),
    "PUT /visits/{id} 200._id: string became null or string": lambda new: schema(new, "Visit")["properties"][
        "_id"
    ].update(type=["string", "null"]),
}
BREAK_NOTHING: dict[str, Change] = {
    "another route": lambda new: new["paths"].update({"/more": {}}),
    "another field that may be sent": lambda new: schema(new, "Wish")["properties"].update(more={"type": "string"}),
    "a field that may be left out now": lambda new: schema(new, "Wish")["required"].clear(),
    "another value that may be sent": lambda new: schema(new, "Wish")["properties"]["kind"]["enum"].append("other"),
    "another field in the answer": lambda new: schema(new, "Visit")["properties"].update(more={"type": "string"}),
    "another refusal": lambda new: put(new)["responses"].update({"409": {}}),
    "a longer text": lambda new: put(new)["parameters"][0]["schema"].update(maxLength=20),
}


@pytest.mark.parametrize("told", BREAK)
def test_what_breaks_an_app_is_told(told: str) -> None:
    new = deepcopy(OLD)
    BREAK[told](new)

    assert [*breaking(OLD, new)] == [told]


@pytest.mark.parametrize("change", BREAK_NOTHING)
def test_what_breaks_nothing_is_not(change: str) -> None:
    new = deepcopy(OLD)
    BREAK_NOTHING[change](new)

    assert new != OLD
    assert [*breaking(OLD, new)] == []


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for file, document in zip(files, (OLD, {**OLD, "paths": {}}), strict=True):
        file.write_text(json.dumps(document))

    assert (main(str(files[0]), str(files[0])), main(str(files[0]), str(files[1]))) == (0, 1)
    assert capsys.readouterr().out == "Nothing breaks.\nPUT /visits/{id}: is gone\n"
