"""Request bodies of JSON and urlencoded forms: their size, number of values and nesting are limited before the parsing.

So 10 MB, the size that the specification allows, need at most about 60 MB of memory, and at most two bodies over 1 MB
are in a process at once.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from math import isfinite
from threading import BoundedSemaphore
from typing import IO, Any

from flask import Flask, Request, g
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from arthomed.core.errors import FieldError, MalformedJson, ServiceUnavailable, ValidationFailed

MAX_BYTES = 10 * 1024 * 1024
_LARGE_BYTES = 1024 * 1024
_MAX_LARGE = 2  # of one process at once
_MAX_VALUES = 100_000
_MAX_DEPTH = 20
_MAX_FORM_FIELDS = 1000
_MAX_FORM_ESCAPES = 1_000_000
_MAX_TEXT = 100_000  # characters, above every field's own limit, which fields check after normalizing a text
_MAX_ENCODED_TEXT = 12 * _MAX_TEXT  # bytes: a character may be an escaped surrogate pair, or four escaped bytes
_RETRY_AFTER = timedelta(seconds=2)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

_large_bodies = BoundedSemaphore(_MAX_LARGE)


class EncodedBody(UnsupportedMediaType):
    """A compressed body; Accept-Encoding says that only plain ones are accepted (RFC 9110 section 15.5.16)."""

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **kwargs), ("Accept-Encoding", "identity")]


def register(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    app.teardown_request(_release)


def refuse_encoded(req: Request) -> None:
    """Raises EncodedBody."""
    codings = {coding.strip().lower() for coding in req.headers.get("Content-Encoding", "").split(",")}
    if codings - {"", "identity"}:
        raise EncodedBody


def reserve(content_length: int | None) -> None:
    """Reserve one of the places for large bodies until the request ends; an unknown length counts as large.

    Raises:
        ServiceUnavailable: all places are taken.
    """
    if (content_length is None or content_length > _LARGE_BYTES) and not g.get("has_large_body"):
        if not _large_bodies.acquire(blocking=False):
            raise ServiceUnavailable("Too many large requests at once, please try again", retry_after=_RETRY_AFTER)
        g.has_large_body = True


def _release(_error: BaseException | None) -> None:
    if g.pop("has_large_body", False):
        _large_bodies.release()


def load_json(req: Request) -> Any:
    """The parsed body, {} when there is none. A byte order mark is ignored.

    Raises:
        MalformedJson, BadRequest, RequestEntityTooLarge, ServiceUnavailable, ValidationFailed
    """
    body = _read(req).removeprefix(_BYTE_ORDER_MARK)
    if not body:
        return {}
    _check_structure(body)
    parsed = _parse(body)
    if len(body) > _MAX_TEXT:
        refuse_long_texts(parsed)
    return parsed


def read_form(stream: IO[bytes], content_length: int | None) -> bytes:
    """An urlencoded form that is small enough to be parsed, without its byte order mark.

    Raises:
        BadRequest: it is cut off.
        RequestEntityTooLarge, ServiceUnavailable
        ValidationFailed: it has a huge text.
    """
    reserve(content_length)
    body = stream.read()
    if len(body) < (content_length or 0):
        raise BadRequest  # its last field may be half a value
    body = body.removeprefix(_BYTE_ORDER_MARK)
    if body.count(b"&") >= _MAX_FORM_FIELDS or body.count(b"%") > _MAX_FORM_ESCAPES:
        raise RequestEntityTooLarge
    for field in body.split(b"&"):
        if len(field) > _MAX_ENCODED_TEXT:
            raise _huge_text(field.partition(b"=")[0])
    return body


def refuse_long_texts(value: Any) -> None:
    """Refuse texts that no field accepts, before they are normalized: that takes a second for 10 MB.

    Raises:
        ValidationFailed: names the fields.
    """
    if errors := [_too_long(name) for name in _long(value)]:
        raise ValidationFailed(errors)


def _too_long(name: str) -> FieldError:
    return FieldError(name, f"Longer than {_MAX_TEXT} characters.", shows_value=False)


def _long(value: Any, *path: str) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > _MAX_TEXT:
            yield ".".join(path)
        return
    items: Any = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _long(inner, *path, str(key))


def _read(req: Request) -> bytes:
    """The whole body, which may be chunked and then has no Content-Length.

    Raises:
        RequestEntityTooLarge: the body is larger than the limit.
        BadRequest: the body is truncated or its chunks are invalid.
        ServiceUnavailable: too many large bodies at once.
    """
    if req.content_length is not None or req.headers.get("Transfer-Encoding"):
        reserve(req.content_length)
    try:
        body = req.get_data(cache=True)
        if body and req.content_length is None:
            req.stream.read(1)  # Werkzeug truncates at the limit, and raises only when more is read
    except HTTPException:
        raise
    except Exception as error:  # each server raises its own error for invalid chunks
        raise BadRequest from error
    return body


def _check_structure(body: bytes) -> None:
    """Count the values of JSON without parsing it: 10 MB of nested lists would become 400 MB of objects.

    Raises:
        MalformedJson: it is nested too deeply.
        RequestEntityTooLarge: it has too many values.
        ValidationFailed: it has a huge text.
    """
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in body else body
    if unescaped.count(b'"') > 4 * _MAX_VALUES:  # of a key and a text
        raise RequestEntityTooLarge
    pieces = unescaped.split(b'"')
    _refuse_huge_texts(pieces)
    outside_texts = b"".join(pieces[::2])
    brackets = outside_texts.translate(None, _NOT_BRACKETS)
    depth = 0
    for bracket in brackets[: 2 * _MAX_VALUES]:
        depth += _STEP[bracket]
        if depth > _MAX_DEPTH:
            raise MalformedJson("The request body is nested too deeply")
    if len(brackets) > 2 * _MAX_VALUES or outside_texts.count(b",") > _MAX_VALUES:
        raise RequestEntityTooLarge


def _refuse_huge_texts(pieces: list[bytes]) -> None:
    """Refuse JSON, of which `pieces` are what quotes separate, with a text that is too long in every encoding.

    While Python decodes and parses such a text, up to 0.1 s for 10 MB, no other thread of the process runs.

    Raises:
        ValidationFailed: names the innermost key.
    """
    for at in range(1, len(pieces), 2):
        if len(pieces[at]) > _MAX_ENCODED_TEXT:
            raise _huge_text(pieces[at - 2] if pieces[at - 1].strip() == b":" else b"")


def _huge_text(name: bytes) -> ValidationFailed:
    return ValidationFailed([_too_long(name.decode(errors="replace"))])


def _parse(body: bytes) -> Any:
    """Parse JSON as in RFC 8259: UTF-8, without NaN and infinite numbers.

    Raises:
        MalformedJson: the body is not JSON.
    """
    try:
        return json.loads(body.decode(), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MalformedJson from error


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number
