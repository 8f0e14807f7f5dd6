"""Schemas of the audit trail, of exports and of erasures."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from marshmallow import fields

from arthomed.appointments.queue_schemas import QueueOut
from arthomed.appointments.schemas import AppointmentOut
from arthomed.auth.schemas import OneTimeCode, SessionOut
from arthomed.core import clock
from arthomed.files.schemas import FileOut
from arthomed.http.schema import Id, Instant, PageQuery, Schema
from arthomed.payments.schemas import PaymentOut
from arthomed.users.family_schemas import DependentOut
from arthomed.users.schemas import UserOut


class AuditQuery(PageQuery):
    subject_id = Id(attribute="subjects", metadata={"description": "Only events about this person."})
    record_id = Id(attribute="records", metadata={"description": "Only events about this record."})
    actor_id = Id(attribute="actor", metadata={"description": "Only events caused by this person."})


class ActorOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Joseph Mathew"})
    role = fields.String(required=True, metadata={"example": "receptionist"})


class AccessOut(Schema):
    """An access to one's own records."""

    at = Instant(attribute="event.at", required=True)
    by = fields.Nested(ActorOut, required=True, allow_none=True, metadata={"description": "Null if the system acted."})
    action = fields.String(attribute="event.action", required=True, metadata={"example": "read"})
    kind = fields.String(attribute="event.kind", required=True, metadata={"example": "appointment"})
    records = fields.List(Id(), attribute="event.records", required=True)
    changed = fields.Function(
        lambda access: [change["field"] for change in access.event.changes],
        required=True,
        metadata={"type": "array", "items": {"type": "string"}, "example": ["status"]},
    )


class ValueChangeOut(Schema):
    field = fields.String(required=True, metadata={"example": "status"})
    old = fields.Function(lambda change: _json_value(change["from"]), data_key="from", metadata={"example": "pending"})
    new = fields.Function(lambda change: _json_value(change["to"]), data_key="to", metadata={"example": "confirmed"})


class RecordedSearchOut(Schema):
    filters = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(metadata={"type": ["string", "boolean"]}),
        required=True,
        metadata={
            "example": {"search": "Asha", "role": "patient"},
            "description": "The filters of the list by their names, and the words of a search as typed.",
        },
    )
    found = fields.Integer(required=True, metadata={"example": 1, "description": "How many records matched."})


class AuditEventOut(Schema):
    _id = Id(attribute="event.id", data_key="_id", required=True)
    at = Instant(attribute="event.at", required=True)
    by = fields.Nested(ActorOut, required=True, allow_none=True, metadata={"description": "Null if the system acted."})
    session = Id(attribute="event.session", required=True, allow_none=True)
    address = fields.String(
        attribute="event.address", required=True, allow_none=True, metadata={"example": "203.0.113.7"}
    )
    request_id = fields.String(
        attribute="event.request_id", required=True, allow_none=True, metadata={"example": "5f0c7a529c0e4a6e"}
    )
    action = fields.String(attribute="event.action", required=True, metadata={"example": "change"})
    kind = fields.String(attribute="event.kind", required=True, metadata={"example": "appointment"})
    records = fields.List(Id(), attribute="event.records", required=True)
    subjects = fields.List(Id(), attribute="event.subjects", required=True)
    changes = fields.List(fields.Nested(ValueChangeOut), attribute="event.changes", required=True)
    search = fields.Nested(
        RecordedSearchOut,
        attribute="event.search",
        required=True,
        allow_none=True,
        metadata={"description": "Null if the action is not `search`."},
    )


class EraseAccount(Schema):
    """`otp` is a new code, sent to the account's own number."""

    otp = OneTimeCode(required=True)


class RetainedDataOut(Schema):
    what = fields.String(required=True, metadata={"example": "What your doctors recorded"})
    why = fields.String(required=True, metadata={"example": "Regulations on medical records"})
    until = Instant(required=True)


class ErasureOut(Schema):
    erased = fields.List(fields.String(), required=True, metadata={"example": ["Signed-in devices"]})
    kept = fields.List(fields.Nested(RetainedDataOut), required=True)


class PreparingOut(Schema):
    state = fields.Constant("preparing", required=True, metadata={"example": "preparing"})


class ConsentOut(Schema):
    notice = fields.String(required=True, metadata={"example": "2026-11"})
    at = Instant(required=True)


class DeviceOut(SessionOut):
    push_token = fields.String(required=True, allow_none=True, metadata={"example": "dQw4w9WgXcQ:APA91bEXAMPLE"})

    class Meta(Schema.Meta):
        exclude = ("is_current",)


class OwnRecordOut(UserOut):
    consents = fields.List(fields.Nested(ConsentOut), required=True)
    known_addresses = fields.List(fields.String(), required=True, metadata={"example": ["203.0.113.7"]})


class OwnDependentOut(DependentOut):
    is_active = fields.Boolean(required=True, metadata={"description": "Whether the family still has this member."})
    created_at = Instant(required=True)


class MessageOut(Schema):
    kind = fields.String(required=True, metadata={"example": "appointment-confirmed"})
    channel = fields.String(required=True, metadata={"example": "sms"})
    state = fields.String(required=True, metadata={"example": "sent"})
    created_at = Instant(required=True)
    sent_at = Instant(required=True, allow_none=True)
    arrival = fields.String(
        attribute="receipt.status",
        required=True,
        allow_none=True,
        dump_default=None,
        metadata={"example": "delivered", "description": "The delivery state that the carrier reports."},
    )
    read_at = Instant(required=True, allow_none=True)
    hidden_at = Instant(required=True, allow_none=True, metadata={"example": None})


class OwnPlaceOut(QueueOut):
    priority_reason = fields.String(required=True, allow_none=True, metadata={"example": None})


class OwnAppointmentOut(AppointmentOut):
    queue = fields.Nested(OwnPlaceOut, attribute="in_queue", metadata={"in_example": False})


class ExportOut(Schema):
    """Everything that is stored about a person."""

    exported_at = Instant(required=True)
    user = fields.Nested(OwnRecordOut, required=True)
    dependents = fields.List(fields.Nested(OwnDependentOut), required=True)
    sessions = fields.List(fields.Nested(DeviceOut), required=True)
    appointments = fields.List(fields.Nested(OwnAppointmentOut), required=True)
    payments = fields.List(fields.Nested(PaymentOut), required=True)
    files = fields.List(fields.Nested(FileOut), required=True)
    messages = fields.List(fields.Nested(MessageOut), required=True)
    access_log = fields.List(fields.Nested(AccessOut), required=True)


def _json_value(value: Any) -> Any:
    """Convert a stored value to one that JSON can represent."""
    if isinstance(value, datetime):
        return clock.iso(value)
    if isinstance(value, ObjectId):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _json_value(one) for name, one in value.items()}
    return [_json_value(one) for one in value] if isinstance(value, list) else value
