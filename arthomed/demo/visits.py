"""What happens to one patient of the demo day, from the booking to the payment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bson import ObjectId

from arthomed.appointments.rules import START_FROM, Priority, Status
from arthomed.appointments.service import booking, desk, transitions
from arthomed.appointments.service.attempts import BookingDetails
from arthomed.appointments.service.desk import DeskBooking
from arthomed.core.actor import Actor
from arthomed.demo.day import Day
from arthomed.demo.people import Person, Practice, Story
from arthomed.frontdesk.service import queue
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.scheduling.models import Slot

_MINUTE = timedelta(minutes=1)
_CONSULTATION = "consultation"


@dataclass(frozen=True, slots=True)
class Patient:
    """Who books, and the family member whom it is for."""

    actor: Actor
    dependent: ObjectId | None = None


@dataclass
class Visit:
    """A patient's slot and story."""

    day: Day
    doctor: Actor
    practice: Practice
    patient: Patient
    person: Person
    slot: Slot
    appointment: ObjectId | None = None
    number: int = field(init=False)

    def __post_init__(self) -> None:
        self.number = next(self.day.numbers)

    def was_reached(self, turn: datetime, *, end: datetime) -> None:
        """It was the patient's turn; a consultation that is over ended at `end`."""
        story = self.person.story
        self._book(confirmed=True)
        if story is Story.NO_SHOW:
            self._then(max(turn + 10 * _MINUTE, self.slot.starts_at), lambda: self._move(Status.NO_SHOW))
            return
        self._arrive(turn - 15 * _MINUTE)
        if story is Story.SKIPPED:
            self._then(self.day.now - 6 * _MINUTE, lambda: queue.skip(self.day.receptionist, self._id))
            return
        if story is Story.STARTED:
            self._pay(turn - 2 * _MINUTE)
        self._then(turn - _MINUTE, lambda: queue.call(self.doctor, self._id), earliest=self.slot.starts_at - START_FROM)
        if story is Story.CALLED:
            return
        self._then(turn, lambda: self._move(Status.IN_PROGRESS))
        if story is not Story.STARTED:
            self._then(end, self._complete)
            self._pay(end + _MINUTE)

    def comes(self) -> None:
        """The patient's turn is later."""
        story = self.person.story
        is_pending = story is Story.PENDING and self.slot.starts_at > self.day.now
        self._book(confirmed=not is_pending)
        if story is Story.WAITING:
            self._arrive(self.day.now - 25 * _MINUTE)
        elif story is Story.EARLY:
            self._arrive(self.day.now - 15 * _MINUTE, priority=Priority.ELDERLY, priority_reason="Cannot sit for long")

    def is_given_up_or_walks_in(self, *, close: Callable[[], None]) -> None:
        """The appointment did not take place, or nobody booked one; `close` fills the doctor's day."""
        story, evening = self.person.story, self.day.evening_before - timedelta(hours=0.5)
        if story is Story.OVERFLOW:
            self._then(self.day.now - 16 * _MINUTE, close, earliest=self.day.midnight)
        if story in (Story.WALK_IN, Story.OVERFLOW):
            self._then(self.day.now - 15 * _MINUTE, lambda: self._book_at_desk(None), earliest=self.day.midnight)
            return
        self._then(evening, self._book_in_app)
        if story is Story.REJECTED:
            self._then(evening + 5 * _MINUTE, lambda: self._move(Status.REJECTED, reason="Fully booked by then"))
            return
        self._then(evening + 5 * _MINUTE, lambda: self._move(Status.CONFIRMED))
        if story is Story.CANCELLED:
            reason = "The fever is gone"
            self._then(evening + 9 * _MINUTE, lambda: transitions.cancel(self.patient.actor, self._id, reason=reason))
            return
        self._pay(evening + 7 * _MINUTE)
        reason = "The doctor is called to an operation"
        self._then(evening + 9 * _MINUTE, lambda: transitions.cancel(self.day.receptionist, self._id, reason=reason))
        self._then(evening + 12 * _MINUTE, lambda: self._refund(reason))

    @property
    def _id(self) -> ObjectId:
        assert self.appointment is not None  # noqa: S101  the booking comes first
        return self.appointment

    def _then(self, at: datetime, event: Callable[[], object], *, earliest: datetime | None = None) -> None:
        self.day.then(max(at, earliest or at), event)

    def _book(self, *, confirmed: bool) -> None:
        """In the evening before: every second patient in the app, the others by telephone."""
        at = self.day.evening_before + self.number * _MINUTE
        if confirmed and self.number % 2:
            self._then(at, lambda: self._book_at_desk(self.slot.start_time))
            return
        self._then(at, self._book_in_app)
        if confirmed:
            self._then(at + 90 * _MINUTE, lambda: self._move(Status.CONFIRMED))

    def _book_in_app(self) -> None:
        start = (self.doctor.signed_in_user_id, self.day.date, self.slot.start_time)
        wanted = BookingDetails(*start, _CONSULTATION, self.person.reason, dependent_id=self.patient.dependent)
        self.appointment = booking.book(self.patient.actor, wanted).id

    def _book_at_desk(self, time: str | None) -> None:
        wanted = DeskBooking(
            self.doctor.signed_in_user_id,
            _CONSULTATION,
            patient_id=self.patient.actor.user_id,
            dependent_id=self.patient.dependent,
            appointment_date=self.day.date,
            appointment_time=time,
            reason=self.person.reason,
        )
        self.appointment = desk.book(self.day.receptionist, wanted).appointment.id

    def _arrive(self, at: datetime, **priority: object) -> None:
        earliest = min(self.day.midnight, self.slot.starts_at - START_FROM)
        self._then(at, lambda: queue.arrive(self.day.receptionist, self._id, priority), earliest=earliest)

    def _move(self, status: Status, reason: str | None = None) -> None:
        actor = self.doctor if status is Status.IN_PROGRESS else self.day.receptionist
        transitions.change_status(actor, self._id, status, reason=reason)

    def _complete(self) -> None:
        notes, prescription = self.practice.notes, self.practice.prescription
        transitions.change_status(self.doctor, self._id, Status.COMPLETED, notes=notes, prescription=prescription)

    def _pay(self, at: datetime) -> None:
        story, fee = self.person.story, self.slot.consultation_fee
        amount = fee // 2 if story is Story.PAID_IN_PART else fee
        if story is not Story.PAID_WRONG:
            self._then(at, lambda: self._record(amount, self.person.method))
            return
        self._then(at, self._pay_with_a_mistake)

    def _pay_with_a_mistake(self) -> None:
        wrong = self._record(self.slot.consultation_fee, Method.CASH)
        recording.correct(self.day.receptionist, wrong, reason="It was paid by UPI", key=None)
        self._record(self.slot.consultation_fee, self.person.method)

    def _record(self, amount: int, method: Method) -> ObjectId:
        reference = None if method is Method.CASH else f"{method.upper()} 4339{self.number:08}"
        paid = recording.pay(self.day.receptionist, self._id, amount, method, reference=reference, key=None)
        payment_id: ObjectId = paid.payment.id
        return payment_id

    def _refund(self, reason: str) -> None:
        fee, method = self.slot.consultation_fee, self.person.method
        recording.refund(self.day.receptionist, self._id, fee, method, reason=reason, key=None)
