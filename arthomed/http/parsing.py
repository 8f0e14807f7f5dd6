"""Parsing of requests with webargs: strict about types, media types and unknown fields."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NoReturn

import marshmallow as ma
from bson import ObjectId
from flask import Request, request
from webargs.core import Parser, missing
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.routing import BaseConverter

from arthomed.core.errors import FieldError, NotFound, ValidationFailed
from arthomed.http import bodies, context
from arthomed.http.forms import MAX_ERRORS, MULTIPART, URLENCODED, refuse_invalid
from arthomed.http.schema import MALFORMED_ID, OBJECT_ID

_SECRET_FIELDS = frozenset({"otp", "refreshToken", "pushToken"})
_WHOLE_BODY = "_schema"
_MAX_REPEATED_DEPTH = 8
_FLAGS = {"true": True, "false": False}


class ObjectIdConverter(BaseConverter):
    """An id in a path; anything else gives 404."""

    regex = OBJECT_ID

    def to_python(self, value: str) -> ObjectId:
        return ObjectId(value)


class StrictParser(FlaskParser):
    """Refuses unknown fields, except in headers and webhook forms, repeated parameters and other media types.

    A body without files is JSON, or an urlencoded form (the specification requires it), whose values are texts and
    `true` or `false`.
    """

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
        bodies.refuse_encoded(req)
        if req.mimetype == URLENCODED:
            return _with_flags(_texts(req), schema)
        if not req.is_json and (req.content_length or req.headers.get("Transfer-Encoding")):
            raise UnsupportedMediaType
        return bodies.load_json(req)

    def load_form(self, req: Request, schema: ma.Schema) -> Any:
        bodies.refuse_encoded(req)
        return super().load_form(req, schema)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        parameters = super().load_querystring(req, schema)
        repeated = [name for name, texts in req.args.lists() if len(texts) > 1 and name not in parameters.multiple_keys]
        if repeated:
            _refuse(dict.fromkeys(repeated, "Must be given once."))
        return parameters

    def load_multipart(self, req: Request, schema: ma.Schema) -> Any:
        """The text fields of a form; files are accepted in the field that the route names."""
        bodies.refuse_encoded(req)
        if req.mimetype != MULTIPART:
            raise UnsupportedMediaType
        view: Any = context.view()
        wrong = dict.fromkeys(sorted(set(req.files) - {view.files}), "Unknown field.")
        if view.files in req.form or any(
            one.stream.read(1) for one in req.files.getlist(view.files) if not one.filename
        ):
            wrong[view.files] = "Each file needs a file name."
        if wrong:
            _refuse(wrong)
        return _texts(req)

    def load_json_or_multipart(self, req: Request, schema: ma.Schema) -> Any:
        return self.load_multipart(req, schema) if req.mimetype == MULTIPART else self.load_json(req, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        by_location: Any = error.messages  # of one location, for example {"json": {...}}
        errors = list(islice(_field_errors(next(iter(by_location.values())), error.data), MAX_ERRORS))
        if all(one.message == MALFORMED_ID for one in errors):  # as in a path
            raise NotFound from error
        raise ValidationFailed(errors) from error


def refuse_unknown_query() -> None:
    """For a route without query parameters.

    Raises:
        ValidationFailed: the request has some.
    """
    if request.args and not getattr(context.view(), "has_query", False):
        _refuse(dict.fromkeys(request.args, "Unknown field."))


def _refuse(messages: Mapping[str, str]) -> NoReturn:
    errors = (FieldError(name, message, shows_value=False) for name, message in messages.items())
    raise ValidationFailed(list(islice(errors, MAX_ERRORS)))


def _texts(req: Request) -> dict[str, str | list[str]]:
    """The fields of a form; a repeated one is a list."""
    refuse_invalid(req.form.items(multi=True))
    texts = {name: values if len(values) > 1 else values[0] for name, values in req.form.lists()}
    bodies.refuse_long_texts(texts)
    return texts


def _with_flags(texts: dict[str, str | list[str]], schema: ma.Schema) -> dict[str, Any]:
    """The texts of a form, with the values of its flags."""
    flags = [str(one.data_key) for one in schema.fields.values() if isinstance(one, ma.fields.Boolean)]
    return {**texts, **{name: _FLAGS.get(str(texts[name]), texts[name]) for name in flags if name in texts}}


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
