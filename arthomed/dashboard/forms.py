"""Forms of pages, validated by the schemas of the API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import marshmallow as ma
from flask import request
from marshmallow import fields

from arthomed.core.errors import ClinicError, ValidationFailed
from arthomed.dashboard.texts import of_field, translated
from arthomed.http.parsing import PARSER
from arthomed.http.schema import Schema


class _Seen(Schema):
    seen = fields.AwareDateTime(format="iso")


def read(schema: type[ma.Schema]) -> dict[str, Any]:
    """The fields of this request's form that the schema has.

    Raises:
        ValidationFailed
    """
    loaded: dict[str, Any] = read_as(schema)
    return loaded


def read_as(schema: type[ma.Schema]) -> Any:
    """As `read`, with a schema that loads into something of its own."""
    return PARSER.parse(schema(), request, location="form")


def seen() -> datetime | None:
    """The `last_step_at` of the appointment as the page shows it: see `steps.take`."""
    found: datetime | None = read(_Seen).get("seen")
    return found


def messages(error: ClinicError) -> Mapping[str, str]:
    """What is wrong by field, in the reader's language; what concerns no field is under the empty name."""
    if isinstance(error, ValidationFailed):
        return {one.field: of_field(one) for one in error.fields}
    return {"": translated(str(error), error.code)}


def typed() -> Mapping[str, str]:
    """What was typed into this request's form, to show it again."""
    return request.form.to_dict()
