"""The base of all request and response schemas, and the fields that they share."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, ClassVar

import marshmallow as ma
from bson import ObjectId
from marshmallow import fields
from marshmallow.validate import Length, Range, Regexp

from arthomed.core import clock, text
from arthomed.core.paging import PageRequest

OBJECT_ID = "[0-9a-fA-F]{24}"
_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
_END_TIME = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
_DAY = re.compile(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}")
_MAX_PAGE = 1_000_000  # keeps `skip` within MongoDB's 64 bits
_NO_FILTERS = frozenset({"sort"})  # parameters of lists that select no records
_MAX_PLAIN_INPUT = 100
_MAX_INPUT_RATIO = 4  # of the length as typed to the length that is stored

MALFORMED_ID = "Must be an id of 24 hex digits."
"""The error of an id that no record can have; a request without other errors gets 404."""


class Schema(ma.Schema):
    """camelCase in JSON, snake_case in Python; unknown fields are refused, blank optional ones are absent."""

    class Meta:
        unknown = ma.RAISE

    clears_blank_fields: ClassVar[bool] = False

    @ma.pre_load
    def normalise_blank_fields(self, sent: Any, **_: object) -> Any:
        """Leave out optional fields that are blank or null; with `clears_blank_fields`, a blank one is null."""
        if not isinstance(sent, Mapping):
            return sent
        optional = {str(one.data_key): one for one in self.load_fields.values() if not one.required}
        blank = {name for name in optional if name in sent and _is_blank(sent[name])}
        if not blank:
            return sent
        kept = {name: sent[name] for name in sent if name not in blank}
        if self.clears_blank_fields:
            return {**kept, **{name: None if optional[name].allow_none else sent[name] for name in blank}}
        return kept

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        if field_obj.data_key is None:
            head, *rest = field_name.split("_")
            field_obj.data_key = head + "".join(part.title() for part in rest)


class Part(Schema):
    """A part of a record that a request updates: null or a blank text clears an optional field."""

    clears_blank_fields = True


class Changes(Part):
    """An update of a record, which changes at least one field."""

    @ma.validates_schema
    def require_a_change(self, loaded: dict[str, object], **_: object) -> None:
        if not loaded:
            raise ma.ValidationError("Nothing to change.")


class _Documented:
    """A field with its own part of the OpenAPI document."""

    documented: Mapping[str, object] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["metadata"] = {**self.documented, **kwargs.pop("metadata", {})}
        super().__init__(*args, **kwargs)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and text.is_blank(value))


class Text(fields.String):
    """Text that a person wrote: normalised, of limited length, without control characters or lone surrogates."""

    default_error_messages = {
        "too_long": "Longer than maximum length {max}.",
        "forbidden": "Contains the character U+{code:04X}. Please remove it.",
    }

    def __init__(self, *, min_length: int = 1, max_length: int = 1000, multiline: bool = False, **kwargs: Any) -> None:
        kwargs["validate"] = [Length(min_length, max_length), *kwargs.pop("validate", [])]
        super().__init__(**kwargs)
        self._max_length = max_length
        self._normalise = text.normalise if multiline else text.one_line

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        typed = super()._deserialize(value, attr, data, **kwargs)
        if len(typed) > self._max_length * _MAX_INPUT_RATIO:  # Unicode normalization takes quadratic time
            raise self.make_error("too_long", max=self._max_length)
        normalised = self._normalise(typed)
        forbidden = text.forbidden_character(normalised)
        if forbidden is not None:
            raise self.make_error("forbidden", code=ord(forbidden))
        return normalised


class PlainText(_Documented, fields.String):
    """A number, date or id as people type it; loads with ASCII digits, plain dashes and without invisible marks."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        typed = super()._deserialize(value, attr, data, **kwargs)
        return text.plain_number(typed) if len(typed) <= _MAX_PLAIN_INPUT else typed


class Id(PlainText):
    documented = {"pattern": f"^{OBJECT_ID}$", "example": "672b1234a1b2c3d4e5f60718"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> ObjectId:  # type: ignore[override]
        typed = super()._deserialize(value, attr, data, **kwargs)
        if not typed:
            raise self.make_error("required")
        if not re.fullmatch(OBJECT_ID, typed):
            raise ma.ValidationError(MALFORMED_ID)
        return ObjectId(typed)


def day_of(typed: str) -> date | None:
    """The date that YYYY-MM-DD names, from 1000 to 2999: those at the ends of the calendar overflow in a time zone."""
    try:
        return date.fromisoformat(typed if _DAY.fullmatch(typed) else "")
    except ValueError:
        return None


class Day(PlainText):
    """A calendar date at the clinic; MongoDB stores it as midnight UTC."""

    documented = {"format": "date", "example": "2026-12-01"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:  # type: ignore[override]
        typed = super()._deserialize(value, attr, data, **kwargs)
        day = day_of(typed)
        if day is None:
            raise ma.ValidationError("Must be a date as YYYY-MM-DD.")
        return day

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else f"{value:%Y-%m-%d}"


class Pattern(Regexp):
    """A pattern that matches the whole text; `$` would also match before a final line break."""

    def __call__(self, value: Any) -> Any:
        if self.regex.fullmatch(value) is None:
            raise ma.ValidationError(self._format_error(value))
        return value


class TimeOfDay(PlainText):
    documented = {"example": "09:30"}
    pattern, error = _TIME_OF_DAY, "Must be a time as HH:MM."

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=Pattern(self.pattern, error=self.error), **kwargs)


class EndTime(TimeOfDay):
    """The end of a range of time; `24:00` is the end of the day."""

    documented = {"example": "13:00"}
    pattern, error = _END_TIME, "Must be a time as HH:MM; midnight is 24:00."


class Instant(_Documented, fields.String):
    """An instant, ISO 8601 in UTC with milliseconds."""

    documented = {"format": "date-time", "example": "2026-11-22T04:30:00.000Z"}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else clock.iso(value)


class FileUrl(_Documented, fields.String):
    """The URL of a file; the record stores the file's name."""

    documented = {"type": ["string", "null"], "readOnly": True}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value and file_url(value)


def file_url(name: str) -> str:
    return f"/api/files/{name}"


class Flag(fields.Boolean):
    """A JSON boolean; marshmallow's own field also accepts strings and numbers."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class WholeNumber(fields.Integer):
    """A JSON number without a fraction; `500.0` is 500, as some JSON libraries write it."""

    def _validated(self, value: Any) -> int:
        return super()._validated(int(value) if isinstance(value, float) and value.is_integer() else value)


def integer(minimum: int, maximum: int, **kwargs: Any) -> fields.Integer:
    """A JSON integer within bounds."""
    return WholeNumber(strict=True, validate=Range(minimum, maximum), **kwargs)


class PageQuery(Schema):
    """`page` and `limit`; loads into `paging`, a PageRequest, which also holds the filters of a subclass."""

    page = fields.Integer(load_default=1, validate=Range(1, _MAX_PAGE), metadata={"example": 1})
    limit = fields.Integer(load_default=10, validate=Range(1, 100), metadata={"example": 10})

    @ma.post_load
    def to_page_request(self, loaded: dict[str, Any], **_: object) -> dict[str, Any]:
        page, limit = loaded.pop("page"), loaded.pop("limit")
        filters = {name: value for name, value in self.dump(loaded).items() if name not in _NO_FILTERS}
        return {**loaded, "paging": PageRequest(page, limit, filters)}


class PaginationOut(Schema):
    current = fields.Integer(required=True, metadata={"example": 1})
    pages = fields.Integer(required=True, metadata={"example": 5})
    total = fields.Integer(required=True, metadata={"example": 50})
    limit = fields.Integer(required=True, metadata={"example": 10})
    has_next = fields.Boolean(required=True, metadata={"example": True})
    has_prev = fields.Boolean(required=True, metadata={"example": False})
    total_is_minimum = fields.Boolean(
        metadata={
            "in_example": False,
            "description": "Only with `true`: more records match a search, please narrow it down.",
        }
    )

    @ma.post_dump
    def leave_out_false(self, dumped: dict[str, Any], **_: object) -> dict[str, Any]:
        return {name: value for name, value in dumped.items() if name != "totalIsMinimum" or value}


@cache
def page_of(item: type[Schema]) -> type[Schema]:
    """The schema of a page of items."""
    parts = {
        "items": fields.List(fields.Nested(item), required=True),
        "pagination": fields.Nested(PaginationOut, required=True),
    }
    return type(item.__name__.removesuffix("Out") + "PageOut", (Schema,), parts)


@cache
def named(name: str, schema: type[ma.Schema]) -> type[Schema]:
    """The schema of `data` with one key, for example `{"user": ...}`."""
    return type(schema.__name__.removesuffix("Out") + "Data", (Schema,), {name: fields.Nested(schema, required=True)})


def example_of(schema: ma.Schema, *, without: str = "") -> dict[str, Any]:
    """An example of a schema from the examples of its fields, without the field `without`.

    The metadata `in_example=False` leaves out a field that depends on the state of the record.
    """
    return {
        str(field.data_key or name): found
        for name, field in schema.fields.items()
        if name != without
        and field.metadata.get("in_example", True)
        and ((found := _example(field)) is not None or (field.required and field.allow_none))
    }


def _example(field: fields.Field[Any]) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, fields.Nested):
        one = example_of(field.schema)
        return [one] if field.schema.many else one
    if isinstance(field, fields.List):
        inner = _example(field.inner)
        return [] if inner is None else [inner]
    return None
