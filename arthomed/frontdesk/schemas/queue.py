"""Schemas of the queue of the day."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.rules import Priority
from arthomed.appointments.schemas import AppointmentOut
from arthomed.frontdesk.rules import Stage
from arthomed.http.schema import Day, Flag, Id, Instant, Part, Schema, Text

_STAGES = [str(stage) for stage in Stage]


class ArriveAtDesk(Part):
    priority = fields.String(
        validate=OneOf(list(map(str, Priority))),
        allow_none=True,
        metadata={"example": "elderly", "description": "Null removes it."},
    )
    priority_reason = Text(max_length=200, allow_none=True, metadata={"example": "83 years old"})

    @ma.validates_schema
    def require_priority(self, loaded: dict[str, object], **_: object) -> None:
        if loaded.get("priority_reason") and not loaded.get("priority"):
            raise ma.ValidationError("Needs a priority.", "priorityReason")

    @ma.post_load
    def to_priority(self, loaded: dict[str, Any], **_: object) -> dict[str, Any]:
        """A new priority comes with its reason, or without one."""
        if "priority" not in loaded:
            return {}
        found = loaded["priority"]
        return {"priority": found and Priority(found), "priority_reason": found and loaded.get("priority_reason")}


class DayQuery(Schema):
    day = Day(required=True, data_key="date")
    doctor_id = Id(metadata={"description": "Only this doctor; doctors get their own."})


class WaitOut(Schema):
    from_minutes = fields.Integer(required=True, metadata={"example": 15})
    to_minutes = fields.Integer(required=True, metadata={"example": 30})


class QueueOut(Schema):
    """The place in the queue of the day."""

    token = fields.Integer(required=True, allow_none=True, metadata={"example": None})
    stage = fields.String(required=True, validate=OneOf(_STAGES), metadata={"example": "expected"})
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
        metadata={"example": None, "description": "Of a waiting or skipped patient, from today's consultations."},
    )


class QueuedAppointmentOut(AppointmentOut):
    queue = fields.Nested(QueueOut, attribute="in_queue", required=True)


class DayItemOut(QueuedAppointmentOut):
    message_state = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "example": "delivered",
            "description": "How far the latest message came: `waiting, sent, delivered, failed, expired, dropped`.",
        },
    )
    is_first_appointment = Flag(
        required=True, metadata={"example": True, "description": "The patient has none completed before this day."}
    )


class DoctorOfDayOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Dr Meera Iyer"})
    delay_minutes = fields.Integer(required=True, metadata={"example": 0})
    on_leave = Flag(required=True, metadata={"example": False})
    counts = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"example": dict.fromkeys(_STAGES, 0) | {"expected": 1}, "description": "Appointments by stage."},
    )


class DayOut(Schema):
    date = Day(required=True)
    doctors = fields.List(fields.Nested(DoctorOfDayOut), required=True)
    items = fields.List(fields.Nested(DayItemOut), required=True)
