"""What an appointment embeds: its history, what is paid, and a cancellation."""

from mongoengine import DateTimeField, EmbeddedDocumentField, EnumField, IntField, ObjectIdField, StringField

from arthomed.appointments.fees import PaymentStatus, RefundStatus, payment_status
from arthomed.appointments.rules import Status
from arthomed.core.documents import ClinicEmbeddedDocument


class DoctorAndTime(ClinicEmbeddedDocument):
    """With whom and when an appointment is."""

    doctor = ObjectIdField(required=True)
    starts_at = DateTimeField(db_field="startsAt", required=True)


class Change(ClinicEmbeddedDocument):
    """A change of the status in an appointment's history; `by` is empty when the system made it.

    Rescheduling keeps the status, and notes from which doctor and time to which.
    """

    source = EnumField(Status, db_field="from")
    target = EnumField(Status, db_field="to", required=True)
    by = ObjectIdField()
    at = DateTimeField(required=True)
    reason = StringField()
    moved_from = EmbeddedDocumentField(DoctorAndTime, db_field="movedFrom")
    moved_to = EmbeddedDocumentField(DoctorAndTime, db_field="movedTo")


class PaymentInfo(ClinicEmbeddedDocument):
    """The fee of an appointment, in whole rupees, and what of it is paid.

    The amounts follow from the records of the payments; until the first one they are empty. An appointment that was
    marked as paid before there were records counts as paid.
    """

    amount = IntField(required=True)
    status = EnumField(PaymentStatus, required=True, default=PaymentStatus.PENDING)
    recorded_paid = IntField(db_field="paidAmount")
    recorded_refunds = IntField(db_field="refundedAmount")

    @classmethod
    def of(cls, fee: int, *, paid: int, refunded: int) -> "PaymentInfo":
        status = payment_status(fee, paid=paid, refunded=refunded)
        return cls(amount=fee, status=status, recorded_paid=paid, recorded_refunds=refunded)

    def with_fee(self, fee: int) -> "PaymentInfo":
        """The same payments towards another fee."""
        if self.recorded_paid is None:
            return PaymentInfo(amount=fee, status=self.status)
        return PaymentInfo.of(fee, paid=self.recorded_paid, refunded=self.recorded_refunds or 0)

    @property
    def paid_amount(self) -> int:
        if self.recorded_paid is not None:
            return int(self.recorded_paid)
        return int(self.amount) if self.status is PaymentStatus.PAID else 0


class Cancellation(ClinicEmbeddedDocument):
    """A cancellation and its refund, in whole rupees; `by` is the user who cancelled.

    `refund_date` is empty until the clinic has refunded the amount; `refunded_before` was refunded before and is not
    part of it.
    """

    by = ObjectIdField()
    at = DateTimeField(required=True)
    reason = StringField()
    refund_amount = IntField(db_field="refundAmount", required=True)
    refund_status = EnumField(RefundStatus, db_field="refundStatus", required=True)
    refund_date = DateTimeField(db_field="refundDate")
    refunded_before = IntField(db_field="refundedBefore")
