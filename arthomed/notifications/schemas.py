"""Schemas of messages for admins, and of delivery receipts."""

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range

from arthomed.http.schema import Id, Instant, PageQuery, Pattern, Schema, Text
from arthomed.notifications.models import Channel, State

_MAX_ATTEMPTS = 1_000_000


class ReceiptQuery(Schema):
    """The query of the callback URL that the SMS gateway passes to Twilio."""

    message = Id(required=True)
    attempt = fields.Integer(required=True, validate=Range(1, _MAX_ATTEMPTS), metadata={"example": 1})


class TwilioReceipt(Schema):
    """The fields that we read from Twilio's form."""

    message_sid = fields.String(
        required=True,
        data_key="MessageSid",
        validate=Pattern(r"^[A-Za-z0-9]{1,64}$"),
        metadata={"example": "SM0123456789abcdef0123456789abcdef"},
    )
    message_status = fields.String(
        required=True, data_key="MessageStatus", validate=Length(1, 50), metadata={"example": "delivered"}
    )
    error_code = fields.Integer(
        data_key="ErrorCode", load_default=None, validate=Range(0, 999_999), metadata={"example": 30005}
    )


class MessagesQuery(PageQuery):
    state = fields.String(
        load_default=State.FAILED, validate=OneOf(list(State)), metadata={"example": "failed", "default": "failed"}
    )
    channel = fields.String(validate=OneOf(list(Channel)), metadata={"example": "sms"})
    kind = Text(max_length=50, metadata={"example": "appointment-confirmed"})


class ReceiptOut(Schema):
    sid = fields.String(required=True, metadata={"example": "SM0123456789abcdef0123456789abcdef"})
    arrival = fields.String(attribute="status", required=True, metadata={"example": "undelivered"})
    error_code = fields.Integer(required=True, allow_none=True, metadata={"example": 30005})
    segments = fields.Integer(required=True, allow_none=True, metadata={"example": 1})
    price = fields.String(required=True, allow_none=True, metadata={"example": "-0.0470"})
    currency = fields.String(required=True, allow_none=True, metadata={"example": "USD"})
    at = Instant(required=True)


class OutboxMessageOut(Schema):
    """A message without its text, which is rendered when it is sent and is not stored."""

    _id = Id(attribute="id", data_key="_id", required=True)
    user = Id(required=True, allow_none=True)
    subject = Id(required=True, metadata={"description": "The id of the appointment."})
    kind = fields.String(required=True, metadata={"example": "appointment-confirmed"})
    channel = fields.String(required=True, metadata={"example": "sms"})
    state = fields.String(required=True, metadata={"example": "failed"})
    failure = fields.String(required=True, allow_none=True, metadata={"example": "carrier undelivered 30005"})
    send_attempts = fields.Integer(attribute="attempts", required=True, metadata={"example": 1})
    receipt = fields.Nested(ReceiptOut, required=True, allow_none=True)
    created_at = Instant(required=True)
    due_at = Instant(required=True)
    sent_at = Instant(required=True, allow_none=True)
    useful_until = Instant(required=True, allow_none=True)
