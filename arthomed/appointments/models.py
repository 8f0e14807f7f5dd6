"""Visits, and the keys under which bookings may be sent again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongoengine import (
    DateTimeField,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    EnumField,
    IntField,
    ObjectIdField,
    StringField,
)
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from arthomed.appointments.rules import ACTIVE, Status
from arthomed.core.actor import Actor
from arthomed.core.copies import changed
from arthomed.core.documents import ClinicDocument, ClinicEmbeddedDocument, Pipeline, Raw
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.core.reading import COUNT, Find, Found
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.users.models import User

PAID = "paid"


class Change(ClinicEmbeddedDocument):
    """One line of a visit's history; `by` is empty when the system acted."""

    source = EnumField(Status, db_field="from")
    target = EnumField(Status, db_field="to", required=True)
    by = ObjectIdField()
    at = DateTimeField(required=True)
    reason = StringField()


class Payment(ClinicEmbeddedDocument):
    """`amount` is in whole rupees."""

    amount = IntField(required=True)
    status = StringField(required=True, default="pending")


class Cancellation(ClinicEmbeddedDocument):
    """Who gave a visit up, and what is due back of a paid fee: whole rupees, see `rules.refund_percent`.

    `refund_date` stays empty until the money is given back.
    """

    by = ObjectIdField()
    at = DateTimeField(required=True)
    reason = StringField()
    refund_amount = IntField(db_field="refundAmount", required=True)
    refund_status = StringField(db_field="refundStatus", required=True)
    refund_date = DateTimeField(db_field="refundDate")


def visits_of(patient: ObjectId) -> str:
    """The name of a patient's visits among what is copied: see core/copies.py."""
    return f"visits:{patient}"


class Appointment(ClinicDocument):
    """A visit; `appointment_date` is midnight UTC of the calendar date, `starts_at` the instant."""

    meta = {"collection": "appointments"}

    patient_id = ObjectIdField(db_field="patient", required=True)
    doctor_id = ObjectIdField(db_field="doctor", required=True)
    dependent = ObjectIdField()
    slot = ObjectIdField(required=True)
    seat = IntField(required=True)
    appointment_date = DateTimeField(db_field="appointmentDate", required=True)
    appointment_time = StringField(db_field="appointmentTime", required=True)
    starts_at = DateTimeField(db_field="startsAt", required=True)
    ends_at = DateTimeField(db_field="endsAt", required=True)
    status = EnumField(Status, required=True, default=Status.PENDING)
    purpose_of_visit = StringField(db_field="purposeOfVisit")
    reason = StringField()
    symptoms = StringField()
    notes = StringField()
    prescription = StringField()
    payment = EmbeddedDocumentField(Payment, required=True)
    cancellation = EmbeddedDocumentField(Cancellation)
    history = EmbeddedDocumentListField(Change)
    created_by = ObjectIdField(db_field="createdBy", required=True)
    files_version = IntField(db_field="filesVersion")

    # Filled by `with_people`, for the answer.
    patient: User
    doctor: User
    images: list[File]

    @classmethod
    def insert_new(cls, visits: Sequence[Raw], session: ClientSession) -> None:
        """Insert visits as they are stored, which MongoDB checks.

        Raises:
            DuplicateKeyError: the seat is taken, or the patient has a visit then, or with that doctor on that day.
        """
        changed(*(visits_of(visit["patient"]) for visit in visits))
        cls.insert_raw(visits, session)

    @property
    def since(self) -> datetime:
        """When the visit came to its status."""
        since: datetime = self.history[-1].at
        return since

    @classmethod
    def visible_to(cls, actor: Actor) -> Any:
        """The visits that this person may know of."""
        if actor.role is Role.PATIENT:
            return cls.objects(patient_id=actor.user_id)
        if actor.role is Role.DOCTOR:
            return cls.objects(doctor_id=actor.user_id)
        return cls.objects

    @classmethod
    def with_people(cls, appointments: "list[Appointment]") -> "list[Appointment]":
        """The same visits with their patients, doctors and files, in two more queries for all of them."""
        people = User.by_id(person for one in appointments for person in (one.patient_id, one.doctor_id))
        files = File.of_records(Kind.APPOINTMENTS, [one.id for one in appointments])
        for one in appointments:
            one.images = files.get(one.id, [])
            one.patient, one.doctor = people[one.patient_id], people[one.doctor_id]
        return appointments

    @classmethod
    def finds_of_page(cls, where: Raw, stages: Pipeline) -> dict[str, Find]:
        """Within a reading: a page of visits with their people and files, and how many there are on all pages."""
        return {
            "visits": Find("appointments", where, stages),
            "total": Find("appointments", where, COUNT),
            "patients": User.find_by("visits.patient"),
            "doctors": User.find_by("visits.doctor"),
            "files": File.find_of(Kind.APPOINTMENTS, "visits._id"),
        }

    @classmethod
    def put_together(cls, found: Found) -> list[Raw]:
        """The visits of `finds_of_page`, each with its people and files."""
        people = {person["_id"]: person for person in (*found["patients"], *found["doctors"])}
        files: dict[ObjectId, list[File]] = {}
        for file in found["files"]:
            files.setdefault(file["record"], []).append(File.from_raw(file))
        return [
            {
                **visit,
                "patient": people[visit["patient"]],
                "doctor": people[visit["doctor"]],
                "images": files.get(visit["_id"], []),
            }
            for visit in found["visits"]
        ]

    @classmethod
    def count_open(cls, patients: Sequence[ObjectId], session: ClientSession) -> dict[ObjectId, int]:
        """How many open visits people have; who has none is left out."""
        their_open = {"patient": {"$in": patients}, "status": {"$in": sorted(ACTIVE)}}
        counted: Pipeline = [{"$match": their_open}, {"$group": {"_id": "$patient", "count": {"$sum": 1}}}]
        return {row["_id"]: row["count"] for row in cls.collection().aggregate(counted, session=session)}

    @classmethod
    def touch(cls, appointment_id: ObjectId, session: ClientSession) -> "Appointment":
        """The visit as of now, written to, so that whoever else changes it comes before or after."""
        raw = cls.collection().find_one_and_update(
            {"_id": appointment_id}, {"$inc": {"filesVersion": 1}}, session=session
        )
        if raw is None:
            raise NotFound
        changed(visits_of(raw["patient"]))
        touched: Appointment = cls.from_raw(raw)
        return touched

    @classmethod
    def forget(cls, which: Raw, *, session: ClientSession) -> None:
        """Remove what people wrote about visits."""
        written = ("reason", "symptoms", "notes", "prescription", "cancellation.reason", "history.$[].reason")
        cls.collection().update_many(which, {"$unset": dict.fromkeys(written, "")}, session=session)

    def advance(self, change: Change, changes: Raw, *, session: ClientSession) -> "Appointment | None":
        """Move on from the status that this visit was loaded with; None when it has another by now."""
        update = {"$set": {"status": change.target, "updatedAt": change.at, **changes}}
        return self._updated({**update, "$push": {"history": change.to_mongo()}}, session)

    def edit(self, changes: dict[str, str | None], *, now: datetime, session: ClientSession) -> "Appointment | None":
        """Set fields, unless this visit has another status by now than it was loaded with: None then."""
        stored = {self._fields[name].db_field: text for name, text in changes.items()}
        unset = {name: "" for name, text in stored.items() if text is None}
        kept = {name: text for name, text in stored.items() if text is not None}
        return self._updated({"$set": {**kept, "updatedAt": now}, "$unset": unset}, session)

    def _updated(self, update: Raw, session: ClientSession) -> "Appointment | None":
        changed(visits_of(self.patient_id))
        raw = self.collection().find_one_and_update(
            {"_id": self.id, "status": self.status}, update, return_document=ReturnDocument.AFTER, session=session
        )
        return None if raw is None else self.from_raw(raw)


class IdempotencyKey(ClinicDocument):
    """That a person's key stands for a booking; forgotten after 24 hours."""

    meta = {"collection": "idempotency_keys"}

    user = ObjectIdField(required=True)
    key = StringField(required=True)
    fingerprint = StringField(required=True)
    appointment = ObjectIdField(required=True)


def due(status: Status, **limits: datetime) -> Any:
    """The visits of a status that a periodic job has to look at, the oldest first."""
    return Appointment.objects(status=status, **limits).order_by("starts_at")
