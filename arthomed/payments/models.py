"""The records of payments. They are inserted and never changed; the role of the database allows nothing else."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongoengine import DateTimeField, EnumField, IntField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.core.actor import Actor
from arthomed.core.documents import ClinicDocument
from arthomed.core.permissions import Permission
from arthomed.payments.rules import Kind, Method
from arthomed.users.models import User


class Payment(ClinicDocument):
    """A payment, a refund or a correction, with its receipt; `amount` is negative for what the clinic paid out.

    `received_by` is the member of the staff who received or paid out the money, also in a correction, so that the
    report adds up to what is in that person's cash box; `created_by` is who made the entry, once for each
    `idempotency_key`.
    """

    meta = {"collection": "payments"}

    appointment = ObjectIdField(required=True)
    patient_id = ObjectIdField(db_field="patient", required=True)
    receipt_number = StringField(db_field="receiptNumber", required=True)
    kind = EnumField(Kind, required=True)
    amount = IntField(required=True)
    method = EnumField(Method, required=True)
    reference = StringField()
    reason = StringField()
    corrects = ObjectIdField()
    received_by = ObjectIdField(db_field="receivedBy", required=True)
    created_by = ObjectIdField(db_field="createdBy", required=True)
    at = DateTimeField(required=True)
    idempotency_key = StringField(db_field="idempotencyKey")
    fingerprint = StringField()

    # Set by `with_people`, for the response.
    patient: User
    receiver: User
    creator: User

    @classmethod
    def visible_to(cls, actor: Actor) -> Any:
        """The entries that this user may see: those of one's own appointments as a patient, all for the reception."""
        return cls.objects if actor.may(Permission.PAYMENT_RECORD) else cls.objects(patient_id=actor.user_id)

    @classmethod
    def paid_by(cls, patient: ObjectId) -> Any:
        """The entries of a patient, the oldest first."""
        return cls.objects(patient_id=patient).order_by("at", "id")

    @classmethod
    def of_period(cls, since: datetime, until: datetime) -> "list[Payment]":
        """The entries from `since` until before `until`, the oldest first."""
        return list(cls.objects(at__gte=since, at__lt=until).order_by("at", "id"))

    @classmethod
    def used_key(cls, actor: Actor, key: str, session: ClientSession | None = None) -> "Payment | None":
        """The entry that the user made with an idempotency key."""
        found: Payment | None = cls.find_one({"createdBy": actor.user_id, "idempotencyKey": key}, session)
        return found

    @classmethod
    def correction_of(cls, payment_id: ObjectId) -> "Payment | None":
        found: Payment | None = cls.find_one({"corrects": payment_id})
        return found

    @classmethod
    def last_of(cls, patient: ObjectId, session: ClientSession) -> "Payment | None":
        """The last entry of a patient."""
        found: Payment | None = cls.find_one({"patient": patient}, session, sort=[("at", -1)])
        return found

    @classmethod
    def with_people(cls, payments: "Sequence[Payment]") -> "list[Payment]":
        """Load the patients and the staff of entries, in one query."""
        ids = (user_id for one in payments for user_id in (one.patient_id, one.received_by, one.created_by))
        users = User.by_id(ids)
        for one in payments:
            one.patient, one.receiver = users[one.patient_id], users[one.received_by]
            one.creator = users[one.created_by]
        return list(payments)


def appointments_of(actor: Actor) -> Any:
    """The appointments whose payments this user may see."""
    if actor.may(Permission.PAYMENT_RECORD):
        return Appointment.objects
    return Appointment.objects(patient_id=actor.user_id)
