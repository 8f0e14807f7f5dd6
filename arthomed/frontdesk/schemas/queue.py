"""Schemas of the queue of the day."""

from functools import lru_cache
from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.queue_schemas import QueueOut
from arthomed.appointments.rules import Priority
from arthomed.appointments.schemas import AppointmentOut
from arthomed.appointments.stages import Stage
from arthomed.http.auth import reader
from arthomed.http.schema import Day, Flag, Id, Part, Schema, Text

_STAGES = [str(stage) for stage in Stage]
_OF_ITEM = frozenset({"in_queue", "message_state", "row.is_first_appointment"})


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


class QueuedAppointmentOut(AppointmentOut):
    queue = fields.Nested(QueueOut, attribute="in_queue", required=True)


class DayItemOut(QueuedAppointmentOut):
    """A row of the list of the day, an `Item`; most of it is in the `Row` that it shares with other lists."""

    message_state = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "example": "delivered",
            "description": "How far the latest message came: `waiting, sent, delivered, failed, expired, dropped`.",
        },
    )
    is_first_appointment = Flag(
        required=True,
        attribute="row.is_first_appointment",
        metadata={"example": True, "description": "The patient has none completed before this day."},
    )

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        is_of_item = attr in _OF_ITEM
        return super().get_attribute(obj if is_of_item else obj.row.appointment, attr, default)

    @ma.post_dump(pass_original=True)
    def for_reader(self, dumped: dict[str, Any], item: Any, **_: object) -> dict[str, Any]:
        shown: dict[str, Any] = super().for_reader(dumped, item.row.appointment)
        return shown


class _KeptItem(fields.Nested):
    """An item, which is dumped again only when something in it has changed: a dump takes 0.3 ms."""

    def _serialize(self, nested_obj: Any, attr: Any, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # noqa: ARG002
        actor = reader()
        return dump_item(nested_obj, (actor.user_id, actor.role))


@lru_cache(maxsize=4000)  # of about 4 KB each
def dump_item(item: Any, _reader: object) -> dict[str, Any]:
    """The row for a user and role, as the schema shows it to the reader of this request."""
    dumped: dict[str, Any] = DayItemOut().dump(item)
    return dumped


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
    items = fields.List(_KeptItem(DayItemOut), required=True)
