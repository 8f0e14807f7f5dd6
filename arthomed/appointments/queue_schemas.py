"""Schemas of the place in the queue of the day."""

from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.stages import Stage
from arthomed.http.schema import Instant, Schema


class WaitOut(Schema):
    from_minutes = fields.Integer(required=True, metadata={"example": 15})
    to_minutes = fields.Integer(required=True, metadata={"example": 30})


class QueueOut(Schema):
    """The place in the queue of the day."""

    token = fields.Integer(required=True, allow_none=True, metadata={"example": None})
    stage = fields.String(required=True, validate=OneOf(list(map(str, Stage))), metadata={"example": "expected"})
    arrived_at = Instant(required=True, allow_none=True, metadata={"example": None})
    called_at = Instant(required=True, allow_none=True, metadata={"example": None})
    started_at = Instant(required=True, allow_none=True, metadata={"example": None})
    completed_at = Instant(required=True, allow_none=True, metadata={"example": None})
    priority = fields.String(required=True, allow_none=True, metadata={"example": None})
    skips = fields.Integer(required=True, metadata={"example": 0, "description": "How often the patient was skipped."})
    expected_wait = fields.Nested(
        WaitOut,
        required=True,
        allow_none=True,
        metadata={
            "example": None,
            "description": "Of a waiting or skipped patient, in the list of the day and in answers to its steps.",
        },
    )
