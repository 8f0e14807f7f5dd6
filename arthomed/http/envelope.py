"""The envelope around every answer, at run time and in the OpenAPI document."""

from enum import StrEnum
from functools import cache
from typing import Any

import marshmallow as ma
from flask import Response, jsonify
from marshmallow import fields
from marshmallow.validate import Equal

from arthomed.core import clock
from arthomed.core.errors import ClinicError, Code, FieldError
from arthomed.http.schema import Instant, Schema


class HttpCode(StrEnum):
    """The stable codes of what HTTP itself refuses, beside the features' `Code`."""

    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    PRECONDITION_FAILED = "PRECONDITION_FAILED"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    REQUESTED_RANGE_NOT_SATISFIABLE = "REQUESTED_RANGE_NOT_SATISFIABLE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


def success(message: str, content: object) -> dict[str, Any]:
    """What `envelope_of` of the content's shape dumps."""
    told = {} if content is None else content
    return {"success": True, "message": message, "data": told, "timestamp": clock.now()}


def failure(status: int, code: str, message: str, **more: Any) -> Response:
    """An error answer; `more` may hold `details`, `fields` and further keys of `error`."""
    response = jsonify(_failed(status, code, message, **more))
    response.status_code = status
    return response


def refusal(status: int, error: ClinicError) -> dict[str, Any]:
    """What an answer tells of what was refused."""
    return _failed(status, error.code, str(error), fields=error.fields, **error.extra)


def _failed(status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    refused: list[FieldError] = list(more.pop("fields", ()))
    error = {"code": code, "statusCode": status, "details": more.pop("details", message), **more}
    return {
        "success": False,
        "message": message,
        "error": error,
        "errors": [_field(one) for one in refused],
        "timestamp": clock.iso(clock.now()),
    }


def _field(error: FieldError) -> dict[str, Any]:
    told: dict[str, Any] = {"field": error.field, "message": error.message}
    return {**told, "value": error.value} if error.shows_value else told


@cache
def envelope_of(schema: type[ma.Schema]) -> type[Schema]:
    """How the success envelope around such data is documented."""
    parts = {
        "success": fields.Boolean(required=True, validate=Equal(True), metadata={"example": True}),
        "message": fields.String(required=True),
        "data": fields.Nested(schema, required=True),
        "timestamp": Instant(required=True),
    }
    return type(schema.__name__.removesuffix("Out") + "Envelope", (Schema,), parts)


class NothingOut(Schema):
    """`data` of an answer that has nothing to tell: an empty object."""


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
        metadata={"description": "With SLOT_UNAVAILABLE: the nearest free slots of that doctor."},
    )
    request_id = fields.String(metadata={"description": "With INTERNAL_ERROR: to find it in the logs."})
    stack = fields.String(metadata={"description": "With INTERNAL_ERROR, in development only."})


class FieldErrorOut(Schema):
    field = fields.String(required=True, metadata={"example": "profile.address.pincode"})
    message = fields.String(required=True, metadata={"example": "Must be six digits."})
    value = fields.Raw(metadata={"description": "What was sent; left out for secrets."})


class ErrorOut(Schema):
    """Every error answer."""

    success = fields.Boolean(required=True, validate=Equal(False), metadata={"example": False})
    message = fields.String(required=True, metadata={"example": "Validation failed"})
    error = fields.Nested(ErrorBodyOut, required=True)
    errors = fields.List(fields.Nested(FieldErrorOut), required=True)
    timestamp = Instant(required=True)
