"""Appointments."""

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

from arthomed.appointments.parts import Cancellation, Change, PaymentInfo
from arthomed.appointments.queue import Queue
from arthomed.appointments.rules import ACTIVE, TREATED, Source, Status
from arthomed.appointments.stages import InQueue, place_of
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.cache import invalidate
from arthomed.core.documents import ClinicDocument, Pipeline, Raw
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.scheduling.seats import Seat, Start
from arthomed.scheduling.tags import day_tag
from arthomed.users.dependents import Dependent
from arthomed.users.models import User


def appointments_tag(patient: ObjectId) -> str:
    """The cache tag (core/cache.py) of a patient's appointments."""
    return f"appointments:{patient}"


class Appointment(ClinicDocument):
    """An appointment; `appointment_date` is midnight UTC of the calendar date, `starts_at` the instant.

    `patient` is the user who has it, `dependent` the family member whom it is for. A walk-in on a full day has an
    overflow place: no `slot`, and a `seat` above `OVERFLOW_SEAT`.
    """

    meta = {"collection": "appointments"}

    patient_id = ObjectIdField(db_field="patient", required=True)
    dependent_id = ObjectIdField(db_field="dependent")
    doctor_id = ObjectIdField(db_field="doctor", required=True)
    slot = ObjectIdField()
    seat = IntField(required=True)
    appointment_date = DateTimeField(db_field="appointmentDate", required=True)
    appointment_time = StringField(db_field="appointmentTime", required=True)
    starts_at = DateTimeField(db_field="startsAt", required=True)
    ends_at = DateTimeField(db_field="endsAt", required=True)
    status = EnumField(Status, required=True, default=Status.PENDING)
    source = EnumField(Source, required=True, default=Source.APP)
    queue = EmbeddedDocumentField(Queue)
    purpose_of_visit = StringField(db_field="purposeOfVisit")
    reason = StringField()
    symptoms = StringField()
    notes = StringField()
    prescription = StringField()
    payment = EmbeddedDocumentField(PaymentInfo, required=True)
    cancellation = EmbeddedDocumentField(Cancellation)
    history = EmbeddedDocumentListField(Change)
    created_by = ObjectIdField(db_field="createdBy", required=True)
    files_version = IntField(db_field="filesVersion")

    # Set by `with_people`, for the response.
    patient: User
    dependent: Dependent | None
    doctor: User
    images: list[File]
    in_queue: InQueue | None  # or set by the front desk, with the expected wait

    @classmethod
    def insert_new(cls, appointments: "Sequence[Appointment]", session: ClientSession) -> None:
        """Insert new appointments within a transaction.

        Raises:
            DuplicateKeyError: the seat is taken, or the patient has another appointment at that time, or with that
                doctor on that day.
        """
        for one in appointments:
            invalidate(appointments_tag(one.patient_id), day_tag(one.doctor_id, one.appointment_date))
        cls.insert_all(appointments, session)

    @property
    def person_name(self) -> str:
        """The name of the person whom the appointment is for."""
        return str((self.dependent or self.patient).name)

    @property
    def since(self) -> datetime:
        """The time of the last change of the status or the place."""
        return self.history[-1].at  # type: ignore[no-any-return]

    @property
    def last_step_at(self) -> datetime:
        """The time of the last change of the status, the time or the place in the queue, unless it was undone."""
        former = self.queue.former if self.queue else None
        return max(self.since, former.left_at) if former else self.since

    @property
    def is_overflow(self) -> bool:
        return self.slot is None

    @property
    def has_arrived(self) -> bool:
        return self.queue is not None and self.queue.arrived_at is not None

    @property
    def has_findings(self) -> bool:
        return bool(self.notes or self.prescription)

    @property
    def started_at(self) -> datetime | None:
        """The start of the consultation, unless it was undone."""
        return self._changed_to(Status.IN_PROGRESS) if self.status in TREATED else None

    @property
    def completed_at(self) -> datetime | None:
        return self._changed_to(Status.COMPLETED)

    def _changed_to(self, status: Status) -> datetime | None:
        return next((change.at for change in reversed(self.history) if change.target is status), None)

    @property
    def earliest_starts_at(self) -> datetime:
        """The earliest start that this appointment ever had."""
        earlier = (one.moved_from.starts_at for one in self.history if one.moved_from)
        earliest: datetime = min([self.starts_at, *earlier])
        return earliest

    @property
    def start(self) -> Start:
        return self.doctor_id, self.appointment_date.date(), self.appointment_time

    @classmethod
    def of(cls, user_id: ObjectId) -> Any:
        """The appointments of which a user is the patient or the doctor."""
        return cls.objects(__raw__={"$or": [{"patient": user_id}, {"doctor": user_id}]})

    @classmethod
    def visible_to(cls, actor: Actor) -> Any:
        """The appointments that this user may see, also those that a doctor has as a patient."""
        if actor.role is Role.DOCTOR:
            return cls.of(actor.signed_in_user_id)
        return cls.listed_for(actor)

    @classmethod
    def listed_for(cls, actor: Actor) -> Any:
        """What `GET /api/appointments` lists: a doctor's as the doctor, a patient's own, all for the other staff."""
        if actor.role is Role.PATIENT:
            return cls.objects(patient_id=actor.user_id)
        if actor.role is Role.DOCTOR:
            return cls.objects(doctor_id=actor.user_id)
        return cls.objects

    @classmethod
    def holder(cls, slot: ObjectId, session: ClientSession) -> ObjectId:
        """The one active appointment of a slot."""
        holding = {"slot": slot, "status": {"$in": sorted(ACTIVE)}}
        return ObjectId(cls.collection().find_one(holding, {"_id": 1}, session=session)["_id"])  # type: ignore[index]

    @classmethod
    def with_people(cls, appointments: "list[Appointment]") -> "list[Appointment]":
        """Load the people and files of appointments, and those who go before skipped ones: two to four queries."""
        users = User.by_id(user_id for one in appointments for user_id in (one.patient_id, one.doctor_id))
        dependents = Dependent.by_id(one.dependent_id for one in appointments if one.dependent_id)
        files = File.of_records(Kind.APPOINTMENTS, [one.id for one in appointments])
        ahead = {other for one in appointments if one.queue and one.queue.skipped_at for other in one.queue.behind}
        others = list(cls.objects(id__in=sorted(ahead))) if ahead else []
        for one in appointments:
            one.images, one.in_queue = files.get(one.id, []), place_of(one, others)
            one.patient, one.doctor = users[one.patient_id], users[one.doctor_id]
            one.dependent = dependents.get(one.dependent_id)
        return appointments

    @classmethod
    def count_open(
        cls, patients: Sequence[ObjectId], *, day_start: datetime, session: ClientSession
    ) -> dict[ObjectId, int]:
        """Count the open appointments of each patient; patients without any are left out.

        One that is in progress since before `day_start` was left open by mistake, and does not count.
        """
        statuses: list[Raw] = [
            {"status": {"$in": [Status.PENDING, Status.CONFIRMED]}},
            {"status": Status.IN_PROGRESS, "startsAt": {"$gte": day_start}},
        ]
        is_open = {"patient": {"$in": patients}, "$or": statuses}
        counts: Pipeline = [{"$match": is_open}, {"$group": {"_id": "$patient", "count": {"$sum": 1}}}]
        return {row["_id"]: row["count"] for row in cls.collection().aggregate(counts, session=session)}

    @classmethod
    def touch(cls, appointment_id: ObjectId, patient: ObjectId, session: ClientSession) -> "Appointment":
        """Load and write to a patient's appointment, so that this transaction conflicts with other changes of it."""
        which, update = {"_id": appointment_id, "patient": patient}, {"$inc": {"filesVersion": 1}}
        raw = cls.collection().find_one_and_update(which, update, session=session)
        if raw is None:
            raise NotFound
        invalidate(appointments_tag(patient))
        touched: Appointment = cls.from_raw(raw)
        return touched

    @classmethod
    def erase_texts(cls, query: Raw, *, session: ClientSession) -> None:
        """Remove all free texts of the appointments that match."""
        of_parts = ("cancellation.reason", "history.$[].reason", "queue.priorityReason")
        texts = ("reason", "symptoms", "notes", "prescription", *of_parts)
        cls.collection().update_many(query, {"$unset": dict.fromkeys(texts, "")}, session=session)

    def advance(self, change: Change, changes: Raw, *, session: ClientSession) -> "Appointment | None":
        """Change the status; None if the appointment was changed since it was loaded.

        Earlier steps in the queue cannot be undone any more, and after a no-show the patient is not called any more.
        What the decision rests on must be the same, too: what was paid for a refund, that nothing is written for the
        undo of a start.
        """
        invalidate(day_tag(self.doctor_id, self.appointment_date))
        removed = ["queue.former", *(["queue.calledAt"] if change.source is Status.NO_SHOW else [])]
        update = {"$set": {"status": change.target, "updatedAt": change.at, **changes}}
        update |= {"$push": {"history": change.to_mongo()}, "$unset": dict.fromkeys(removed, "")}
        unchanged: Raw = {}
        if change.target in (Status.CANCELLED, Status.REJECTED):
            amounts = {"paidAmount": self.payment.recorded_paid, "refundedAmount": self.payment.recorded_refunds}
            unchanged = {f"payment.{name}": amount for name, amount in amounts.items()}
        elif change.source is Status.IN_PROGRESS and change.target is Status.CONFIRMED:
            unchanged = {"notes": self.notes, "prescription": self.prescription}
        return self._update(update, session, **unchanged)

    def settle(self, payment: PaymentInfo, refund: Raw, *, now: datetime, session: ClientSession) -> "Appointment":
        """Set what was paid, and the state of a refund, in the transaction that loaded this appointment."""
        paid = {f"payment.{name}": value for name, value in payment.to_mongo().items()}
        settled = self._update({"$set": {**paid, **refund, "updatedAt": now}}, session)
        assert settled is not None  # noqa: S101  another change of it would have aborted the transaction
        return settled

    def move_in_queue(self, queue: Queue, *, now: datetime, session: ClientSession) -> "Appointment | None":
        """Store another place in the queue; None if the appointment was changed since it was loaded.

        Raises:
            DuplicateKeyError: the doctor has another called patient.
        """
        before, after = self.queue.to_mongo() if self.queue else {}, queue.to_mongo()
        assigned = {f"queue.{name}": value for name, value in after.items() if before.get(name) != value}
        removed = {f"queue.{name}": "" for name in before if name not in after}
        return self._update({"$set": {**assigned, "updatedAt": now}, "$unset": removed}, session)

    def edit(self, changes: dict[str, str | None], *, now: datetime, session: ClientSession) -> "Appointment | None":
        """Set fields; None if status or slot are no longer those that this appointment was loaded with."""
        stored = {self._fields[name].db_field: text for name, text in changes.items()}
        removed = {name: "" for name, text in stored.items() if text is None}
        assigned = {name: text for name, text in stored.items() if text is not None}
        return self._update({"$set": {**assigned, "updatedAt": now}, "$unset": removed}, session)

    def move_to(self, seat: Seat, change: Change, *, session: ClientSession) -> "Appointment | None":
        """Give the appointment another seat and its fee; None if it has changed since it was loaded, or has arrived."""
        moved = {
            "doctor": seat.doctor,
            "slot": seat.slot,
            "seat": seat.number,
            "appointmentDate": seat.date,
            "appointmentTime": seat.start_time,
            "startsAt": seat.starts_at,
            "endsAt": seat.ends_at,
            "payment": self.payment.with_fee(seat.fee).to_mongo(),
            "updatedAt": change.at,
        }
        update = {"$set": moved, "$push": {"history": change.to_mongo()}}
        return self._update(update, session, seat=self.seat, queue=None)

    @classmethod
    def hand_over(cls, owner: ObjectId, dependent: ObjectId, patient: ObjectId, session: ClientSession) -> None:
        """Make a family member's appointments a patient's; DuplicateKeyError: they conflict with the patient's own."""
        invalidate(appointments_tag(owner), appointments_tag(patient))
        update: Raw = {"$set": {"patient": patient, "updatedAt": clock.now()}, "$unset": {"dependent": ""}}
        cls.collection().update_many({"patient": owner, "dependent": dependent}, update, session=session)

    def _update(self, update: Raw, session: ClientSession, **conditions: Any) -> "Appointment | None":
        """Update if patient, status, slot and place in the queue are those with which this appointment was loaded."""
        invalidate(appointments_tag(self.patient_id))
        queue = {f"queue.{name}": value for name, value in (self.queue or Queue()).decisive.items()}
        loaded = {"_id": self.id, "patient": self.patient_id, "status": self.status, "slot": self.slot}
        unchanged = {**loaded, **queue, **conditions}
        raw = self.collection().find_one_and_update(
            unchanged, update, return_document=ReturnDocument.AFTER, session=session
        )
        return None if raw is None else self.from_raw(raw)
