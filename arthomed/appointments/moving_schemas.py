"""Schemas of rescheduling, of blocks and extra slots, and of the explanation why a time cannot be booked."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.schemas import PatientPartOut
from arthomed.http.schema import Day, EndTime, Flag, Id, Instant, Schema, TimeOfDay, integer
from arthomed.scheduling.bookability import BlockReason, Obstacle
from arthomed.scheduling.schemas import SlotOut
from arthomed.scheduling.single_slots import NewSlot

_MAX_PATIENTS = 50
_REASONS = tuple(map(str, BlockReason))


class RescheduleAppointment(Schema):
    appointment_date = Day(required=True)
    appointment_time = TimeOfDay(required=True)
    doctor_id = Id(metadata={"description": "Another doctor of the same specialization.", "in_example": False})


class BlockSlot(Schema):
    is_blocked = Flag(required=True, metadata={"example": True})
    block_reason = fields.String(
        load_default=None, validate=OneOf(_REASONS), metadata={"example": "emergency", "description": "With a block."}
    )

    @ma.validates_schema
    def require_reason_with_block(self, loaded: dict[str, Any], **_: object) -> None:
        if loaded["is_blocked"] != bool(loaded["block_reason"]):
            raise ma.ValidationError("Goes with a block, and only with one.", "blockReason")

    @ma.post_load
    def to_arguments(self, loaded: dict[str, Any], **_: object) -> dict[str, Any]:
        reason = loaded["block_reason"]
        return {"is_blocked": loaded["is_blocked"], "reason": reason and BlockReason(reason)}


class AddSlot(Schema):
    doctor_id = Id(required=True)
    date = Day(required=True)
    start_time = TimeOfDay(required=True, metadata={"example": "18:00"})
    end_time = EndTime(
        load_default=None, metadata={"example": "18:30", "description": "By default after the usual length of a slot."}
    )
    max_patients = integer(1, _MAX_PATIENTS, load_default=1, metadata={"example": 1})

    @ma.post_load
    def to_new_slot(self, loaded: dict[str, Any], **_: object) -> NewSlot:
        return NewSlot(**loaded)


class SlotRecordOut(SlotOut):
    """A slot as the staff see it."""

    doctor = Id(required=True)
    date = Day(required=True)
    starts_at = Instant(required=True, metadata={"example": "2026-12-01T04:00:00.000Z"})
    is_blocked = fields.Boolean(required=True, metadata={"example": False})
    block_reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": f"Empty, or one of {', '.join(_REASONS)}."},
    )
    is_extra = fields.Function(
        lambda slot: bool(slot.is_extra),
        required=True,
        metadata={"type": "boolean", "example": False, "description": "Added besides the weekly hours."},
    )


class HolderOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    patient = fields.Nested(PatientPartOut, required=True)
    status = fields.String(required=True, metadata={"example": "confirmed"})


class ManagedSlotOut(Schema):
    slot = fields.Nested(SlotRecordOut, required=True)
    appointments = fields.List(
        fields.Nested(HolderOut),
        required=True,
        metadata={"description": "The appointments that hold its seats; a block changes none of them."},
    )


class ExplainQuery(Schema):
    doctor_id = Id(required=True)
    date = Day(required=True)
    time = TimeOfDay(required=True, metadata={"example": "09:30"})


class ReasonOut(Schema):
    code = fields.String(
        required=True, metadata={"example": "FULL", "description": f"One of {', '.join(map(str, Obstacle))}."}
    )
    detail = fields.String(required=True, metadata={"example": "All seats of the slot are taken (1)."})


class ExplanationOut(Schema):
    bookable = fields.Boolean(required=True, metadata={"example": False})
    reasons = fields.List(fields.Nested(ReasonOut), required=True)
