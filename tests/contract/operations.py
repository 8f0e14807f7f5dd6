"""Reading the OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

Operation = dict[str, Any]
KINDS = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")


def errors_of(document: dict[str, Any], operation: Operation) -> dict[str, dict[str, Any]]:
    return {
        status: resolved(document, response)
        for status, response in operation["responses"].items()
        if status[0] not in "23"
    }


def codes_of(document: dict[str, Any], operation: Operation) -> set[str]:
    return {code for response in errors_of(document, operation).values() for code in content_of(response)["examples"]}


def examples_of(content: dict[str, Any]) -> list[Any]:
    return [content[key] for key in ("example",) if key in content] + [
        one["value"] for one in content.get("examples", {}).values()
    ]


def appointments_in(thing: Any) -> Iterator[dict[str, Any]]:
    """Find every example of an appointment."""
    if isinstance(thing, dict):
        if "appointmentTime" in thing and "history" in thing and isinstance(thing["history"], list):
            yield thing
        for inner in thing.values():
            yield from appointments_in(inner)
    elif isinstance(thing, list):
        for inner in thing:
            yield from appointments_in(inner)


def has_parameter(operation: Operation, where: str) -> bool:
    return any(parameter.get("in") == where for parameter in operation["parameters"])


def as_documented(rule: str) -> str:
    return "/".join(
        "{" + part[1:-1].partition(":")[2] + "}" if part.startswith("<") else part for part in rule.split("/")
    )


def resolved(document: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in thing:
        return thing
    found: Any = document
    for part in thing["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def content_of(thing: dict[str, Any]) -> dict[str, Any]:
    content = thing.get("content", {})
    return dict(next((content[kind] for kind in KINDS if kind in content), {}))


def contents(thing: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find every media type object, and where it is."""
    if isinstance(thing, dict):
        for kind in KINDS:
            if kind in thing:
                yield f"{where} {kind}", thing[kind]
        for key, inner in thing.items():
            yield from contents(inner, f"{where} {key}")


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": document["components"]})
