"""The kinds of malformed queue entries, each made from the entry of a real job."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

TASK = "email.send"
NO_CANVAS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
MISSING = object()
DEEP = 100_000

Entry = dict[str, Any]


def job(*ids: object, task: str = TASK) -> Entry:
    """The entry of a job, as Celery publishes it."""
    task_id = str(uuid4())
    return {
        "body": body([list(ids), {}, NO_CANVAS]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": task_id,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": task_id,
            "parent_id": None,
            "argsrepr": "()",
            "kwargsrepr": "{}",
            "origin": "gen1@host",
            "ignore_result": True,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
            "asked_at": 1790000000.5,
            "request_id": "a-request",
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": str(uuid4()),
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "email"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


def body(content: object) -> str:
    """The encoded arguments of a task."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.b64encode(text).decode()


def dump(entry: object) -> bytes:
    return json.dumps(entry).encode()


def change(value: object, *path: str) -> bytes:
    """The entry of a job with another value at a path, or without it."""
    entry = job("1")
    *parents, name = path
    found = entry
    for parent in parents:
        found = found[parent]
    if value is MISSING:
        del found[name]
    else:
        found[name] = value
    return dump(entry)


def _bodies() -> Mapping[str, bytes]:
    contents: Mapping[str, object] = {
        "number": 5,
        "null": None,
        "text": "text",
        "object": {"args": ["1"], "kwargs": {}},
        "empty list": [],
        "two parts": [["1"], {}],
        "four parts": [["1"], {}, NO_CANVAS, 5],
        "args a number": [5, {}, NO_CANVAS],
        "args an object": [{"0": "1"}, {}, NO_CANVAS],
        "args with a list": [[["1"]], {}, NO_CANVAS],
        "args with null": [[None], {}, NO_CANVAS],
        "args with a null byte": [["a\0b"], {}, NO_CANVAS],
        "args with a lone surrogate": [["\ud800"], {}, NO_CANVAS],
        "kwargs a list": [["1"], [], NO_CANVAS],
        "kwargs a number": [["1"], 5, NO_CANVAS],
        "kwargs with a value": [["1"], {"notification_id": "1"}, NO_CANVAS],
        "canvas a number": [["1"], {}, 5],
        "unknown callback": [["1"], {}, {**NO_CANVAS, "callbacks": [{"task": "no.such", "args": [], "kwargs": {}}]}],
        "errback a number": [["1"], {}, {**NO_CANVAS, "errbacks": 5}],
        "chain of numbers": [["1"], {}, {**NO_CANVAS, "chain": [5]}],
        "chord of an unknown task": [["1"], {}, {**NO_CANVAS, "chord": {"task": "no.such"}}],
        "invalid UTF-8": b"\xff\xfe[[]]",
        "truncated JSON": b'[["1"], {}, {"callb',
        "deep nesting": b"[" * DEEP,
        "huge number": b"[[" + b"9" * 10_000 + b"], {}, {}]",
        "unknown type": [[{"__type__": "uuid", "__value__": 5}], {}, NO_CANVAS],
    }
    return {f"body: {name}": change(body(content), "body") for name, content in contents.items()}


def _envelopes() -> Mapping[str, bytes]:
    wrong: Mapping[str, object] = {"a number": 5, "null": None, "a list": [5], "text": "text"}
    parts = (("headers",), ("properties",), ("properties", "delivery_info"), ("properties", "delivery_tag"))
    text = {"a list", "a number", "null"}
    kinds = {
        f"{path[-1]}: {name}": change(value, *path)
        for path in (("body",), *parts)
        for name, value in wrong.items()
        if path[-1] != "delivery_tag" or name in text
    }
    missing = {f"{path[-1]}: missing": change(MISSING, *path) for path in (("body",), *parts)}
    return {
        **kinds,
        **missing,
        "body: no base64": change("%%%", "body"),
        "body_encoding: missing": change(MISSING, "properties", "body_encoding"),
        "body_encoding: unknown": change("rot13", "properties", "body_encoding"),
        "body_encoding: a number": change(5, "properties", "body_encoding"),
        "content-type: pickle": change("application/x-python-serialize", "content-type"),
        "content-type: YAML": change("application/x-yaml", "content-type"),
        "content-type: unknown": change("text/none", "content-type"),
        "content-type: a number": change(5, "content-type"),
        "content-type: missing": change(MISSING, "content-type"),
        "content-encoding: unknown": change("rot13", "content-encoding"),
        "content-encoding: a list": change([], "content-encoding"),
        "delivery_info: unknown queue": change({"exchange": "", "routing_key": "gone"}, "properties", "delivery_info"),
        "delivery_info: unknown exchange": change(
            {"exchange": "gone", "routing_key": "email"}, "properties", "delivery_info"
        ),
        "priority: text": change("high", "properties", "priority"),
    }


def _headers() -> Mapping[str, bytes]:
    values: Mapping[str, Mapping[str, object]] = {
        "id": {"missing": MISSING, "a number": 5, "null": None, "a list": [], "an object": {}, "null byte": "a\0b"},
        "task": {
            "missing": MISSING,
            "a number": 5,
            "a list": ["email.send"],
            "null": None,
            "unknown": "no.such",
            "of Celery": "celery.chord_unlock",
        },
        "eta": {
            "text": "tomorrow",
            "a number": 5,
            "a list": [],
            "far": "9999-12-31T23:59:59+00:00",
            "year 1": "0001-01-01",
        },
        "expires": {"text": "tomorrow", "an object": {}, "year 1": "0001-01-01T00:00:00+14:00"},
        "retries": {"negative": -1_000_000, "huge": 10**30, "text": "many", "null": None, "a list": []},
        "timelimit": {"a number": 5, "text": "ab", "three": [1, 2, 3], "negative": [-1, -1], "objects": [{}, {}]},
        "asked_at": {"text": "now", "a list": [], "huge": 10**400, "infinite": float("inf")},
        "request_id": {"an object": {"a": 1}, "null byte": "a\0b"},
        "ignore_result": {"a list": []},
    }
    return {
        f"{name}: {kind}": change(value, "headers", name)
        for name, kinds in values.items()
        for kind, value in kinds.items()
    }


_RAW: Mapping[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "JSON null": b"null",
    "JSON number": b"5",
    "JSON true": b"true",
    "JSON text": b'"text"',
    "JSON list": b"[1, 2]",
    "empty object": b"{}",
    "truncated": dump(job("1"))[:200],
    "null bytes": b"\0" * 20,
    "invalid UTF-8": b"\xff\xfe{}",
    "UTF-16": json.dumps(job("1")).encode("utf-16"),
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00",
    "deep nesting": b"[" * DEEP,
    "deep objects": b'{"a":' * DEEP,
    "huge number": b'{"body": ' + b"9" * 10_000 + b"}",
    "unknown type": b'{"__type__": "uuid", "__value__": 5}',
    "two megabytes": b'{"body": "' + b"a" * 2_000_000 + b'"}',
}

KINDS: Mapping[str, bytes] = {**_RAW, **_envelopes(), **_bodies(), **_headers()}

IGNORED: Mapping[str, bytes] = {
    "compression of an unknown kind": change("none", "headers", "compression"),
    "compression of an uncompressed body": change("zlib", "headers", "compression"),
    "another name": change({"a": 1}, "headers", "shadow"),
    "stamps": change(5, "headers", "stamped_headers"),
    "group": change([5], "headers", "group"),
    "callbacks": change([{"task": "no.such"}], "headers", "callbacks"),
    "unknown": change({"a": [5]}, "headers", "no-such-header"),
}
"""Headers that Celery knows and this application does not use."""
