"""The envelope around every response, at run time and in the OpenAPI document."""

from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields
from marshmallow.validate import Equal

from arthomed.core import clock
from arthomed.core.errors import Code, FieldError
from arthomed.http.json import encode
from arthomed.http.schema import Instant, Schema

_MAX_NAME, _MAX_VALUE = 200, 200  # characters of a refused field's name and value in a response


class HttpCode(StrEnum):
    """The error codes of HTTP itself; those of the features are in `Code`."""

    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    REQUESTED_RANGE_NOT_SATISFIABLE = "REQUESTED_RANGE_NOT_SATISFIABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


def success(message: str, content: object) -> dict[str, Any]:
    """The envelope around `data`, to be serialized with `envelope_of`; the timestamp comes last, see http/cache.py."""
    return {"success": True, "message": message, "data": {} if content is None else content, "timestamp": clock.now()}


def failure(status: int, code: str, message: str, *, fields: Sequence[FieldError] = (), **more: Any) -> Response:
    """An error response; `more` are further keys of `error`."""
    response = jsonify(failure_body(status, code, message, fields=fields, **more))
    response.status_code = status
    return response


def failure_body(
    status: int, code: str, message: str, *, fields: Sequence[FieldError] = (), **more: Any
) -> dict[str, Any]:
    """The envelope of an error; `more` are further keys of `error`."""
    return {
        "success": False,
        "message": message,
        "error": {"code": code, "statusCode": status, "details": message, **more},
        "errors": [_field(one) for one in fields],
        "timestamp": clock.iso(clock.now()),
    }


def _field(error: FieldError) -> dict[str, Any]:
    shown = {"field": error.field[:_MAX_NAME], "message": error.message}
    is_shown = error.shows_value and _length(error.value) <= _MAX_VALUE
    return {**shown, "value": error.value} if is_shown else shown


def _length(value: object) -> int:
    return len(value if isinstance(value, str) else encode(value).decode())


@cache
def envelope_of(schema: type[ma.Schema]) -> type[Schema]:
    """The schema of the success envelope around `data` of a schema."""
    parts = {
        "success": fields.Boolean(required=True, validate=Equal(True), metadata={"example": True}),
        "message": fields.String(required=True),
        "data": fields.Nested(schema, required=True),
        "timestamp": Instant(required=True),
    }
    return type(schema.__name__.removesuffix("Out") + "Envelope", (Schema,), parts)


class NothingOut(Schema):
    """`data` of a response without content: an empty object."""


class AlternativeOut(Schema):
    doctor_id = fields.String(required=True)
    appointment_date = fields.String(required=True)
    appointment_time = fields.String(required=True)


_CODES = sorted([*Code, *HttpCode])


class ErrorBodyOut(Schema):
    code = fields.String(required=True, metadata={"enum": _CODES, "example": "VALIDATION_ERROR"})
    status_code = fields.Integer(required=True, metadata={"example": 400})
    details = fields.String(required=True, metadata={"example": "Validation failed"})
    alternatives = fields.List(
        fields.Nested(AlternativeOut),
        metadata={"description": "With SLOT_UNAVAILABLE: the nearest free slots of the doctor."},
    )
    request_id = fields.String(metadata={"description": "With INTERNAL_ERROR: the request id in the logs."})
    stack = fields.String(metadata={"description": "With INTERNAL_ERROR, in development only."})


class FieldErrorOut(Schema):
    field = fields.String(required=True, metadata={"example": "profile.address.pincode"})
    message = fields.String(required=True, metadata={"example": "Must be six digits."})
    value = fields.Raw(
        metadata={"description": "The value that was sent; left out for secrets, files and long values."}
    )


class ErrorOut(Schema):
    """Every error response."""

    success = fields.Boolean(required=True, validate=Equal(False), metadata={"example": False})
    message = fields.String(required=True, metadata={"example": "Validation failed"})
    error = fields.Nested(ErrorBodyOut, required=True)
    errors = fields.List(fields.Nested(FieldErrorOut), required=True)
    timestamp = Instant(required=True)
