"""Schemas of displays in waiting rooms."""

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from arthomed.appointments.stages import Stage
from arthomed.http.schema import Day, Id, Instant, Schema, Text

_SHOWN = [str(stage) for stage in (Stage.CALLED, Stage.IN_PROGRESS, Stage.WAITING, Stage.SKIPPED)]
_MAX_ROOMS = 50


def _room() -> Text:
    return Text(required=True, max_length=20, metadata={"example": "Room 3"})


class RoomOfDisplay(Schema):
    doctor_id = Id(required=True)
    room = _room()


class CreateDisplayKey(Schema):
    name = Text(required=True, max_length=50, metadata={"example": "Waiting room, first floor"})
    rooms = fields.List(fields.Nested(RoomOfDisplay), required=True, validate=Length(1, _MAX_ROOMS))


class RoomOut(Schema):
    doctor_id = Id(attribute="doctor", required=True)
    room = fields.String(required=True, metadata={"example": "Room 3"})


class DisplayKeyOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Waiting room, first floor"})
    rooms = fields.List(fields.Nested(RoomOut), required=True)
    created_by = Id(required=True)
    created_at = Instant(required=True)


class NewDisplayKeyOut(Schema):
    display_key = fields.Nested(DisplayKeyOut, required=True)
    key = fields.String(
        required=True,
        metadata={
            "example": "vB5nT2wq8Yk0sL3xR7dF1hJ6mC9pZ4gA_-eU8iOoQ2w",
            "description": "Shown this once: the address of the display is `/api/display/` and this key.",
        },
    )


class DisplayKeysOut(Schema):
    items = fields.List(fields.Nested(DisplayKeyOut), required=True)


class TokenOut(Schema):
    token = fields.Integer(required=True, metadata={"example": 7})
    room = fields.String(required=True, metadata={"example": "Room 3"})
    stage = fields.String(required=True, validate=OneOf(_SHOWN), metadata={"example": "called"})


class DisplayOut(Schema):
    """What everybody in a waiting room may see: no names."""

    date = Day(required=True)
    items = fields.List(fields.Nested(TokenOut), required=True)
