"""Schemas of one's own messages, and of those about an appointment."""

from marshmallow import fields

from arthomed.http.schema import Id, Instant, Schema
from arthomed.notifications.schemas import OutboxMessageOut


class ChannelOut(Schema):
    channel = fields.String(required=True, metadata={"example": "sms", "description": "`sms`, `push` or `email`."})
    state = fields.String(
        required=True,
        metadata={"example": "sent", "description": "`waiting`, `sent`, `dropped`, `expired` or `failed`."},
    )
    arrival = fields.String(
        attribute="receipt.status",
        required=True,
        allow_none=True,
        dump_default=None,
        metadata={"example": "delivered", "description": "The delivery state that the carrier reports, of an SMS."},
    )
    sent_at = Instant(required=True, allow_none=True)


class NotificationOut(Schema):
    """One message, whatever its channels."""

    _id = Id(attribute="sms.id", data_key="_id", required=True)
    kind = fields.String(attribute="sms.kind", required=True, metadata={"example": "appointment-confirmed"})
    title = fields.String(
        required=True, metadata={"example": "Your visit is confirmed", "description": "In the user's language."}
    )
    appointment_id = Id(attribute="sms.subject", required=True)
    channels = fields.List(fields.Nested(ChannelOut), required=True)
    created_at = Instant(attribute="sms.created_at", required=True)
    read_at = Instant(attribute="sms.read_at", required=True, allow_none=True)


class AppointmentMessagesOut(Schema):
    messages = fields.List(fields.Nested(OutboxMessageOut), required=True)
