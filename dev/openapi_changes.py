"""What would break the apps that are installed: `python -m dev.openapi_changes OLD NEW` exits 1 and says it.

What is sent may only be asked for less strictly, what is answered may only grow. Unknown fields are refused, so a field
that is taken away from a request breaks whoever sends it.
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


def breaking(old: Document, new: Document) -> Iterator[str]:
    """One line for each change that breaks."""
    for path, item in old["paths"].items():
        for method in set(_METHODS) & set(item):
            where, there = f"{method.upper()} {path}", new["paths"].get(path, {})
            if method in there:
                yield from _Pair(old, new).operation(where, _whole(item, method), _whole(there, method))
            else:
                yield f"{where}: is gone"


def _whole(item: Document, method: str) -> Document:
    parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
    return {**item[method], "parameters": parameters}


class _Pair:
    """Two documents, in which schemas are looked up."""

    def __init__(self, old: Document, new: Document) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operation(self, where: str, old: Document, new: Document) -> Iterator[str]:
        if "security" in new and "security" not in old:
            yield f"{where}: wants a token now"
        for role in sorted(set(old.get("x-roles", ())) - set(new.get("x-roles", old.get("x-roles", ())))):
            yield f"{where}: is not for the role {role} any more"
        yield from self._parameters(where, old["parameters"], new["parameters"])
        yield from self._bodies(where, old.get("requestBody", {}), new.get("requestBody", {}))
        for status, answer in old["responses"].items():
            if status.startswith("2"):
                yield from self._answer(f"{where} {status}", answer, new["responses"].get(status))

    def _parameters(self, where: str, old: list[Document], new: list[Document]) -> Iterator[str]:
        before, after = ({(one["in"], one["name"]): one for one in many} for many in (old, new))
        for key in before.keys() - after.keys():
            yield f"{where}: the parameter {key[1]} is gone"
        for key, parameter in after.items():
            if parameter.get("required") and not before.get(key, {}).get("required"):
                yield f"{where}: the parameter {key[1]} is needed now"
            if key in before:
                yield from self._schema(f"{where} {key[1]}", before[key]["schema"], parameter["schema"], sent=True)

    def _bodies(self, where: str, old: Document, new: Document) -> Iterator[str]:
        if new.get("required") and not old.get("required"):
            yield f"{where}: a body is needed now"
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: takes no {kind} any more"
            else:
                yield from self._schema(where, content["schema"], new["content"][kind]["schema"], sent=True)

    def _answer(self, where: str, old: Document, new: Document | None) -> Iterator[str]:
        if new is None:
            yield f"{where}: is not answered any more"
            return
        for kind, content in old.get("content", {}).items():
            if kind not in new.get("content", {}):
                yield f"{where}: gives no {kind} any more"
            else:
                yield from self._schema(where, content["schema"], new["content"][kind]["schema"], sent=False)

    def _schema(self, where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
        names = (str(old.get("$ref")), str(new.get("$ref")), sent)
        if "$ref" in old and names in self._seen:
            return
        self._seen.add(names)
        old, new = _resolved(self._old, old), _resolved(self._new, new)
        yield from _types(where, old, new, sent=sent)
        yield from _values(where, old, new, sent=sent)
        yield from self._fields(where, old, new, sent=sent)
        if "items" in old and "items" in new:
            yield from self._schema(f"{where}[]", old["items"], new["items"], sent=sent)

    def _fields(self, where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed_before, needed_after = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield f"{where}.{name}: is gone"
        for name in sorted((needed_after - needed_before) if sent else (needed_before - needed_after) & after.keys()):
            yield f"{where}.{name}: {'is needed now' if sent else 'may be missing now'}"
        for name in sorted(before.keys() & after.keys()):
            yield from self._schema(f"{where}.{name}", before[name], after[name], sent=sent)


def _types(where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
    before, after = (_kinds(schema) for schema in (old, new))
    lost = before - after if sent else after - before
    if before and after and lost:
        yield f"{where}: {' or '.join(sorted(before))} became {' or '.join(sorted(after))}"


def _values(where: str, old: Document, new: Document, *, sent: bool) -> Iterator[str]:
    if not sent:
        return
    if "enum" in new and (gone := sorted(set(map(str, old.get("enum", ["anything"]))) - set(map(str, new["enum"])))):
        yield f"{where}: {', '.join(gone)} is refused now"
    if new.get("pattern") not in (None, old.get("pattern")):
        yield f"{where}: has another pattern"
    for name in (*_SMALLER_IS_STRICTER, *_LARGER_IS_STRICTER):
        sign = 1 if name in _SMALLER_IS_STRICTER else -1
        if name in new and (name not in old or sign * new[name] < sign * old[name]):
            yield f"{where}: {name} is {new[name]} now"


def _kinds(schema: Document) -> set[str]:
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _resolved(document: Document, schema: Document) -> Document:
    found: Any = document
    if "$ref" not in schema:
        return schema
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return _resolved(document, found)


def main(old: str, new: str) -> int:
    """Compare two files."""
    documents = (json.loads(Path(file).read_text()) for file in (old, new))
    found = sorted(breaking(*documents))
    print("\n".join(found) or "Nothing breaks.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
