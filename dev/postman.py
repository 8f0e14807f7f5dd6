"""`make openapi`: generates the Postman collection (v2.1) from the OpenAPI document."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_JSON, _FORM, _PLAIN_FORM = "application/json", "multipart/form-data", "application/x-www-form-urlencoded"
_METHODS = ("get", "post", "put", "delete")
_VARIABLES = {"baseUrl": "http://127.0.0.1:5000", "accessToken": "", "refreshToken": ""}
_TOKEN_VARIABLES = {"refreshToken": "{{refreshToken}}"}
_SAVE_TOKENS_SCRIPT = """\
{
  const { data } = pm.response.json();
  const tokens = data && (data.tokens || data);
  if (tokens && tokens.refreshToken) {
    pm.collectionVariables.set("accessToken", tokens.accessToken);
    pm.collectionVariables.set("refreshToken", tokens.refreshToken);
  }
}"""
_SAVE_TOKENS = [{"listen": "test", "script": {"type": "text/javascript", "exec": _SAVE_TOKENS_SCRIPT.splitlines()}}]

Object = dict[str, Any]


def collection(document: Object) -> Object:
    """Build a folder for each tag and a request for each operation. A script saves the tokens of responses."""
    info = document["info"]
    requests = sorted(
        _requests(document), key=lambda one: one[0]
    )  # stable: keeps the order of the document within a tag
    return {
        "info": {
            "name": info["title"],
            "version": info["version"],
            "schema": _SCHEMA,
            "description": info["description"],
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{accessToken}}", "type": "string"}]},
        "variable": [{"key": key, "value": value} for key, value in _VARIABLES.items()],
        "item": [
            {"name": tag, "item": [request for _, request in tagged]}
            for tag, tagged in groupby(requests, key=lambda one: one[0])
        ],
    }


def _requests(document: Object) -> Iterator[tuple[str, Object]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if operation := item.get(method):
                parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
                yield operation["tags"][0], _request(method, path, operation, parameters)


def _request(method: str, path: str, operation: Object, parameters: list[Object]) -> Object:
    request: Object = {
        "method": method.upper(),
        "header": [*_headers(parameters)],
        "url": _url(path, parameters),
        "description": f"For: {', '.join(operation.get('x-roles', ['anybody']))}.",
    }
    if "requestBody" in operation:
        request["body"] = _body(operation["requestBody"]["content"])
    if "security" in operation:
        return {"name": operation["summary"], "request": request}
    return {"name": operation["summary"], "request": request | {"auth": {"type": "noauth"}}, "event": _SAVE_TOKENS}


def _url(path: str, parameters: list[Object]) -> Object:
    query = [_field(one) | {"disabled": not one.get("required")} for one in parameters if one["in"] == "query"]
    variables = [_field(one) for one in parameters if one["in"] == "path"]
    segments = path.strip("/").replace("{", ":").replace("}", "").split("/")
    enabled = "&".join(f"{one['key']}={one['value']}" for one in query if not one["disabled"])
    return {
        "raw": "{{baseUrl}}/" + "/".join(segments) + ("?" + enabled if enabled else ""),
        "host": ["{{baseUrl}}"],
        "path": segments,
        "query": query,
        "variable": variables,
    }


def _headers(parameters: list[Object]) -> Iterator[Object]:
    for one in parameters:
        if one["in"] == "header":
            yield _field(one) | ({"value": "{{$guid}}"} if one["name"] == "Idempotency-Key" else {})


def _field(parameter: Object) -> Object:
    example = parameter["schema"].get("example", parameter["schema"].get("default", ""))
    value = example if isinstance(example, str) else json.dumps(example)
    return {"key": parameter["name"], "value": value, "description": parameter.get("description", "")}


def _body(content: Object) -> Object:
    if _PLAIN_FORM in content:
        return {"mode": "urlencoded", "urlencoded": [*_form(content[_PLAIN_FORM]["example"])]}
    if _JSON not in content:
        return {"mode": "formdata", "formdata": [*_form(content[_FORM]["example"])]}
    example = content[_JSON]["example"]
    body = {key: _TOKEN_VARIABLES.get(key, value) for key, value in example.items()}
    language = {"raw": {"language": "json"}}
    return {"mode": "raw", "raw": json.dumps(body, indent=2, ensure_ascii=False), "options": language}


def _form(example: Object) -> Iterator[Object]:
    for key, value in example.items():
        if isinstance(value, list):  # a list of files
            yield {"key": key, "type": "file", "src": []}
        else:
            yield {"key": key, "type": "text", "value": str(value)}


def main() -> None:
    """Write the collection into clients/postman."""
    document = json.loads((CLIENTS / "openapi.json").read_text())
    text = json.dumps(collection(document), indent=2, ensure_ascii=False)
    (CLIENTS / "postman" / "arthomed.postman_collection.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
