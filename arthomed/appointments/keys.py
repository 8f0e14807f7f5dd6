"""The idempotency keys of requests about appointments."""

from mongoengine import ObjectIdField, StringField

from arthomed.core.documents import ClinicDocument


class IdempotencyKey(ClinicDocument):
    """A user's idempotency key and the appointment that was booked with it; MongoDB removes it after 24 hours."""

    meta = {"collection": "idempotency_keys"}

    user = ObjectIdField(required=True)
    key = StringField(required=True)
    fingerprint = StringField(required=True)
    appointment = ObjectIdField(required=True)
