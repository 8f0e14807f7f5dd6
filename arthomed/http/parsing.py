"""Reading what a client sent: strict about types, media types and unknown fields."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import marshmallow as ma
from bson import ObjectId
from bson.errors import InvalidId
from flask import Request
from webargs.core import Parser, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.routing import BaseConverter, ValidationError

from arthomed.core.errors import FieldError, MalformedJson, ValidationFailed

_SECRET_FIELDS = frozenset({"otp", "refreshToken"})
_WHOLE_BODY = "_schema"


class ObjectIdConverter(BaseConverter):
    """A path part that is an id; anything else is no such resource."""

    regex = "[0-9a-f]{24}"

    def to_python(self, value: str) -> ObjectId:
        try:
            return ObjectId(value)
        except InvalidId as error:
            raise ValidationError from error

    def to_url(self, value: ObjectId) -> str:
        return str(value)


class StrictParser(FlaskParser):
    """Refuses unknown fields everywhere but in headers, and bodies that are not JSON."""

    DEFAULT_VALIDATION_STATUS = 400
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {
        "json": ma.RAISE,
        "query": ma.RAISE,
        "headers": ma.EXCLUDE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        if not req.is_json and (req.content_length or req.headers.get("Transfer-Encoding")):
            raise UnsupportedMediaType
        if not req.get_data(cache=True):
            return {}  # as good as an empty object: what is required is then missing
        return super().load_json(req, schema)

    def _handle_invalid_json_error(self, error: Exception, req: Request, *_: Any, **__: Any) -> NoReturn:
        if isinstance(error, RequestEntityTooLarge):
            raise error
        raise MalformedJson from error

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        by_location: Any = error.messages  # always of one location: {"json": {...}}
        raise ValidationFailed(list(_field_errors(next(iter(by_location.values())), error.data))) from error


def _field_errors(messages: Any, sent: Any, path: tuple[str, ...] = ()) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            part = () if key == _WHOLE_BODY else (str(key),)
            yield from _field_errors(inner, _at(sent, key) if part else sent, (*path, *part))
        return
    secret = bool(path) and path[-1] in _SECRET_FIELDS
    shown = not secret and sent is not missing and not _holds_secret(sent)
    for message in messages if isinstance(messages, list) else [messages]:
        yield FieldError(".".join(path), str(message), sent if shown else None, shows_value=shown)


def _at(sent: Any, key: Any) -> Any:
    if isinstance(sent, Mapping):
        return sent.get(key, missing)
    if isinstance(sent, list) and isinstance(key, int) and key < len(sent):
        return sent[key]
    return missing


def _holds_secret(sent: Any) -> bool:
    return isinstance(sent, Mapping) and not _SECRET_FIELDS.isdisjoint(sent)


PARSER: Parser[Any] = StrictParser()
