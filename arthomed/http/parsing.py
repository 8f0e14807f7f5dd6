"""Reading what a client sent: strict about types, media types and unknown fields."""

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

from arthomed.core.errors import FieldError, MalformedJson, ValidationFailed
from arthomed.http import context

_SECRET_FIELDS = frozenset({"otp", "refreshToken", "pushToken"})
_WHOLE_BODY = "_schema"
_MOST_ERRORS = 100  # of one answer, however much was wrong
_SHOWN_LEVELS = 8
_MULTIPART = "multipart/form-data"


class ObjectIdConverter(BaseConverter):
    """A path part that is an id; anything else is no such resource."""

    regex = "[0-9a-f]{24}"

    def to_python(self, value: str) -> ObjectId:
        return ObjectId(value)


class StrictParser(FlaskParser):
    """Refuses unknown fields everywhere but in headers and forms, and bodies that are not JSON."""

    DEFAULT_VALIDATION_STATUS = 400
    __location_map__ = {
        **FlaskParser.__location_map__,
        "multipart": "load_multipart",
        "json_or_multipart": "load_either",
    }
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        "json": ma.RAISE,
        "multipart": ma.RAISE,
        "json_or_multipart": ma.RAISE,
        "query": ma.RAISE,
        "headers": ma.EXCLUDE,
        "form": ma.EXCLUDE,  # of webhooks, whose senders add fields as they like
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        if not req.is_json and (req.content_length or req.headers.get("Transfer-Encoding")):
            raise UnsupportedMediaType
        body = _body(req)
        return _parsed(body) if body else {}  # as good as an empty object: what is required is then missing

    def load_multipart(self, req: Request, schema: ma.Schema) -> Any:
        """The text fields of a form; of files there may be those that the route takes."""
        if req.mimetype != _MULTIPART:
            raise UnsupportedMediaType
        view: Any = context.view()
        strange = set(req.files) - {view.files}
        if strange:
            raise ValidationFailed([FieldError(name, "Unknown field.", shows_value=False) for name in sorted(strange)])
        return {name: texts if len(texts) > 1 else texts[0] for name, texts in req.form.lists()}

    def load_either(self, req: Request, schema: ma.Schema) -> Any:
        return self.load_multipart(req, schema) if req.mimetype == _MULTIPART else self.load_json(req, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        by_location: Any = error.messages  # always of one location: {"json": {...}}
        found = _field_errors(next(iter(by_location.values())), error.data)
        raise ValidationFailed(list(islice(found, _MOST_ERRORS))) from error


def _body(req: Request) -> bytes:
    """The whole body, which a client may send in chunks without telling its length.

    Raises:
        RequestEntityTooLarge, BadRequest: it is too large, or broken off.
    """
    try:
        body = req.get_data(cache=True)
        if body and req.content_length is None:
            req.stream.read(1)  # Werkzeug cuts a longer body off at the limit, and refuses only to read beyond it
    except HTTPException:
        raise
    except Exception as error:  # each server has its own for chunks that are none
        raise BadRequest from error
    return body


def _parsed(body: bytes) -> Any:
    """JSON as in RFC 8259: UTF-8, without NaN and numbers that nobody can write back.

    Raises:
        MalformedJson: it is none, or it is nested deeper than any shape of ours.
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


def _field_errors(messages: Any, sent: Any, path: tuple[str, ...] = ()) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            part = () if key == _WHOLE_BODY else (str(key),)
            yield from _field_errors(inner, _at(sent, key) if part else sent, (*path, *part))
        return
    secret = bool(path) and path[-1] in _SECRET_FIELDS
    shown = not secret and _may_be_shown(sent)
    for message in messages if isinstance(messages, list) else [messages]:
        yield FieldError(".".join(path), str(message), sent if shown else None, shows_value=shown)


def _at(sent: Any, key: Any) -> Any:
    if isinstance(sent, Mapping):
        return sent.get(key, missing)
    if isinstance(sent, list) and isinstance(key, int) and key < len(sent):
        return sent[key]
    return missing


def _may_be_shown(sent: Any, levels: int = _SHOWN_LEVELS) -> bool:
    """Whether an answer may repeat it: there is no secret in it, and no end of levels."""
    if isinstance(sent, Mapping):
        inner = list(sent.values())
        return levels > 0 and _SECRET_FIELDS.isdisjoint(sent) and all(_may_be_shown(one, levels - 1) for one in inner)
    if isinstance(sent, list):
        return levels > 0 and all(_may_be_shown(one, levels - 1) for one in sent)
    return sent is not missing


PARSER: Parser[Any] = StrictParser()
