"""Parsing of requests with webargs: strict about types, media types and unknown fields."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
from typing import Any, NoReturn

import marshmallow as ma
from bson import ObjectId
from flask import Request
from webargs.core import Parser, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType
from werkzeug.routing import BaseConverter

from arthomed.core.errors import FieldError, MalformedJson, NotFound, ValidationFailed
from arthomed.http import context
from arthomed.http.schema import MALFORMED_ID

_SECRET_FIELDS = frozenset({"otp", "refreshToken", "pushToken"})
_WHOLE_BODY = "_schema"
_MAX_ERRORS = 100  # in one response
_MAX_REPEATED_DEPTH = 8
_MULTIPART = "multipart/form-data"


class ObjectIdConverter(BaseConverter):
    """An id in a path; anything else gives 404."""

    regex = "[0-9a-fA-F]{24}"

    def to_python(self, value: str) -> ObjectId:
        return ObjectId(value)


class StrictParser(FlaskParser):
    """Refuses unknown fields, except in headers and webhook forms, and bodies that are not JSON."""

    DEFAULT_VALIDATION_STATUS = 400
    __location_map__ = {
        **FlaskParser.__location_map__,
        "multipart": "load_multipart",
        "json_or_multipart": "load_json_or_multipart",
    }
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        "json": ma.RAISE,
        "multipart": ma.RAISE,
        "json_or_multipart": ma.RAISE,
        "query": ma.RAISE,
        "headers": ma.EXCLUDE,
        "form": ma.EXCLUDE,  # webhook senders add fields
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        if not req.is_json and (req.content_length or req.headers.get("Transfer-Encoding")):
            raise UnsupportedMediaType
        body = _body(req)
        return _parse_json(body) if body else {}  # then the required fields are missing

    def load_multipart(self, req: Request, schema: ma.Schema) -> Any:
        """The text fields of a form; files are accepted in the field that the route names."""
        if req.mimetype != _MULTIPART:
            raise UnsupportedMediaType
        view: Any = context.view()
        unknown = set(req.files) - {view.files}
        if unknown:
            raise ValidationFailed([FieldError(name, "Unknown field.", shows_value=False) for name in sorted(unknown)])
        return {name: texts if len(texts) > 1 else texts[0] for name, texts in req.form.lists()}

    def load_json_or_multipart(self, req: Request, schema: ma.Schema) -> Any:
        return self.load_multipart(req, schema) if req.mimetype == _MULTIPART else self.load_json(req, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        by_location: Any = error.messages  # of one location, for example {"json": {...}}
        errors = list(islice(_field_errors(next(iter(by_location.values())), error.data), _MAX_ERRORS))
        if all(one.message == MALFORMED_ID for one in errors):  # as in a path
            raise NotFound from error
        raise ValidationFailed(errors) from error


def _body(req: Request) -> bytes:
    """The whole body, which may be chunked and then has no Content-Length.

    Raises:
        RequestEntityTooLarge: the body is larger than the limit.
        BadRequest: the body is truncated or its chunks are invalid.
    """
    try:
        body = req.get_data(cache=True)
        if body and req.content_length is None:
            req.stream.read(1)  # Werkzeug truncates at the limit, and raises only when more is read
    except HTTPException:
        raise
    except Exception as error:  # each server raises its own error for invalid chunks
        raise BadRequest from error
    return body


def _parse_json(body: bytes) -> Any:
    """Parse JSON as in RFC 8259: UTF-8, without NaN and infinite numbers.

    Raises:
        MalformedJson: the body is not JSON, or is nested too deeply.
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


def _field_errors(messages: Any, value: Any, path: tuple[str, ...] = ()) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            part = () if key == _WHOLE_BODY else (str(key),)
            yield from _field_errors(inner, _item(value, key) if part else value, (*path, *part))
        return
    is_secret = bool(path) and path[-1] in _SECRET_FIELDS
    repeats = not is_secret and _may_be_repeated(value)
    for message in messages if isinstance(messages, list) else [messages]:
        yield FieldError(".".join(path), str(message), value if repeats else None, shows_value=repeats)


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key, missing)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return missing


def _may_be_repeated(value: Any, depth: int = _MAX_REPEATED_DEPTH) -> bool:
    """Whether a response may repeat a value: it has no secret field, and is not nested too deeply."""
    if isinstance(value, Mapping):
        items = list(value.values())
        return depth > 0 and _SECRET_FIELDS.isdisjoint(value) and all(_may_be_repeated(one, depth - 1) for one in items)
    if isinstance(value, list):
        return depth > 0 and all(_may_be_repeated(one, depth - 1) for one in value)
    return value is not missing


PARSER: Parser[Any] = StrictParser()
