"""Schemas of the clinic."""

from marshmallow import fields

from arthomed.http.schema import Instant, Schema


def _number(example: int, description: str) -> fields.Integer:
    return fields.Integer(required=True, metadata={"example": example, "description": description})


class RefundBandOut(Schema):
    notice_minutes = _number(1440, "From so much time before the start on.")
    percent = _number(100, "Of what was paid.")


class ClinicRulesOut(Schema):
    """The numbers of the rules, which the server applies."""

    booking_horizon_days = _number(90, "Bookable are so many days, today among them.")
    max_open_appointments = _number(10, "How many open appointments a patient may have.")
    cancel_notice_minutes = _number(120, "Until so long before the start patients cancel or move appointments.")
    refunds = fields.List(
        fields.Nested(RefundBandOut),
        required=True,
        metadata={"description": "When patients cancel, the longest notice first; with less than the last, nothing."},
    )
    start_from_minutes = _number(60, "How long before its time a consultation may begin.")
    start_until_minutes = _number(240, "How long after its end an appointment may still begin.")
    on_time_minutes = _number(10, "Patients who arrive so long after the start keep their place in the queue.")
    no_show_after_minutes = _number(60, "How long after its end an appointment becomes a no-show.")
    undo_minutes = _number(10, "How long a step in the queue can be undone.")
    undo_no_show_minutes = _number(1440, "How long a no-show can be undone.")


class ClinicOut(Schema):
    name = fields.String(required=True, metadata={"example": "Arthomed"})
    zone = fields.String(
        required=True, metadata={"example": "Asia/Kolkata", "description": "The time zone of dates and times of day."}
    )
    now = Instant(required=True)
    slot_minutes = _number(30, "The length of a slot.")
    languages = fields.List(
        fields.String(metadata={"example": "en"}),
        required=True,
        metadata={"description": "The choices of `profile.language`."},
    )
    privacy_notice = fields.String(
        required=True, metadata={"example": "2026-11", "description": "The version to which patients agree."}
    )
    rules = fields.Nested(ClinicRulesOut, required=True)
