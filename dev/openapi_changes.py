"""Lists changes of the API that break installed apps: `python -m dev.openapi_changes OLD NEW` exits 1 if any exist.

A new version may accept more in requests and return more in responses. It must not remove a field from a request,
because the API refuses unknown fields.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Document = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")
_SMALLER_IS_STRICTER = ("maxLength", "maximum", "maxItems")
_LARGER_IS_STRICTER = ("minLength", "minimum", "minItems")


def breaking_changes(old: Document, new: Document) -> Iterator[str]:
    """Yield one line for each change that breaks an app."""
    for path, item in old["paths"].items():
        for method in set(_METHODS) & set(item):
            where, new_item = f"{method.upper()} {path}", new["paths"].get(path, {})
            if method in new_item:
                yield from _Comparison(old, new).operation(
                    where, _operation(item, method), _operation(new_item, method)
                )
            else:
                yield f"{where}: was removed"


def _operation(item: Document, method: str) -> Document:
    """Return the operation with the parameters that its path declares."""
    parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
    return {**item[method], "parameters": parameters}


class _Comparison:
    """Compares operations and schemas of two documents, and resolves their references."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operation(self, where: str, old: Document, new: Document) -> Iterator[str]:
        if "security" in new and "security" not in old:
            yield f"{where}: requires a token now"
        for role in sorted(set(old.get("x-roles", ())) - set(new.get("x-roles", old.get("x-roles", ())))):
            yield f"{where}: no longer allows the role {role}"
        yield from self._parameters(where, old["parameters"], new["parameters"])
        yield from self._bodies(where, old.get("requestBody", {}), new.get("requestBody", {}))
        for status, response in old["responses"].items():
            if status.startswith("2"):
                yield from self._response(f"{where} {status}", response, new["responses"].get(status))

    def _parameters(self, where: str, old: list[Document], new: list[Document]) -> Iterator[str]:
        before, after = ({(one["in"], one["name"]): one for one in many} for many in (old, new))
        for key in before.keys() - after.keys():
            yield f"{where}: the parameter {key[1]} was removed"
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the parameter {key[1]} is required now"
            if key in before:
                yield from self._schema(
                    f"{where} {key[1]}", before[key]["schema"], parameter["schema"], in_request=True
                )

    def _bodies(self, where: str, old: Document, new: Document) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield f"{where}: a body is required now"
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: no longer accepts {kind}"
            else:
                yield from self._schema(where, content["schema"], new["content"][kind]["schema"], in_request=True)

    def _response(self, where: str, old: Document, new: Document | None) -> Iterator[str]:
        if new is None:
            yield f"{where}: is no longer returned"
            return
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: no longer returns {kind}"
            else:
                yield from self._schema(where, content["schema"], new["content"][kind]["schema"], in_request=False)

    def _schema(self, where: str, old: Document, new: Document, *, in_request: bool) -> Iterator[str]:
        names = (str(old.get("$ref")), str(new.get("$ref")), in_request)
        if "$ref" in old and names in self._seen:
            return
        self._seen.add(names)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        yield from _types(where, old, new, in_request=in_request)
        yield from _values(where, old, new, in_request=in_request)
        yield from self._fields(where, old, new, in_request=in_request)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], in_request=in_request)

    def _fields(self, where: str, old: Document, new: Document, *, in_request: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        required_before, required_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield f"{where}.{name}: was removed"
        for name in sorted(
            (required_after - required_before) if in_request else (required_before - required_after) & after.keys()
        ):
            yield f"{where}.{name}: {'is required now' if in_request else 'may be missing now'}"
        for name in sorted(before.keys() & after.keys()):
            yield from self._schema(f"{where}.{name}", before[name], after[name], in_request=in_request)


def _types(where: str, old: Document, new: Document, *, in_request: bool) -> Iterator[str]:
    before, after = (_type_names(schema) for schema in (old, new))
    incompatible = before - after if in_request else after - before
    if before and after and incompatible:
        yield f"{where}: {' or '.join(sorted(before))} became {' or '.join(sorted(after))}"


def _values(where: str, old: Document, new: Document, *, in_request: bool) -> Iterator[str]:
    if not in_request:
        return
    if "enum" in new and (gone := sorted(set(map(str, old.get("enum", ["anything"]))) - set(map(str, new["enum"])))):
        yield f"{where}: {', '.join(gone)} is refused now"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{where}: has a different pattern"
    for name in (*_SMALLER_IS_STRICTER, *_LARGER_IS_STRICTER):
        sign = 1 if name in _SMALLER_IS_STRICTER else -1
        if name in new and (name not in old or sign * new[name] < sign * old[name]):
            yield f"{where}: {name} is {new[name]} now"


def _type_names(schema: Document) -> set[str]:
    names = schema.get("type", [])
    return {names} if isinstance(names, str) else set(names)


def _resolved(document: Document, schema: Document) -> Document:
    found: Any = document
    if "$ref" not in schema:
        return schema
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(document, found)


def main(old: str, new: str) -> int:
    """Compare two files; returns the exit code."""
    documents = (json.loads(Path(file).read_text()) for file in (old, new))
    found = sorted(breaking_changes(*documents))
    print("\n".join(found) or "No breaking changes.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
