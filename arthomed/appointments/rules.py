"""Statuses of appointments and their transitions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from bson import ObjectId

from arthomed.config import Policy
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import ClinicError, Code, PermissionDenied, ValidationFailed
from arthomed.core.permissions import Role


class Status(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    NO_SHOW = "no-show"


class Source(StrEnum):
    """Who booked an appointment: a patient in the app, or the reception, for later or for one who walked in."""

    APP = "app"
    DESK = "desk"
    WALK_IN = "walk-in"


class Priority(StrEnum):
    """Why a patient is called before others."""

    EMERGENCY = "emergency"
    ELDERLY = "elderly"
    PREGNANT = "pregnant"
    DISABLED = "disabled"


OVERFLOW_SEAT = 1000
"""Overflow places of a doctor's day are numbered from the next seat on."""


ACTIVE = frozenset({Status.PENDING, Status.CONFIRMED, Status.IN_PROGRESS})
"""The statuses in which an appointment holds its seat."""

TREATED = frozenset({Status.IN_PROGRESS, Status.COMPLETED})
"""The statuses in which an appointment is part of the medical record."""


class AppointmentView(Protocol):
    """The part of an appointment that the rules need; `since` is the time of its last status change."""

    @property
    def patient_id(self) -> ObjectId: ...
    @property
    def doctor_id(self) -> ObjectId: ...
    @property
    def status(self) -> Status: ...
    @property
    def since(self) -> datetime: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def is_overflow(self) -> bool: ...
    @property
    def has_arrived(self) -> bool: ...
    @property
    def has_findings(self) -> bool: ...
    @property
    def earliest_starts_at(self) -> datetime: ...


class SlotUnavailable(ClinicError):
    """There is no such slot, or it cannot be booked."""

    code: ClassVar[Code] = Code.SLOT_UNAVAILABLE
    message = "Selected time slot is not available"

    def __init__(self, alternatives: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__()
        self.alternatives = alternatives

    @property
    def extra(self) -> Mapping[str, object]:
        return {"alternatives": self.alternatives}


class SlotTaken(SlotUnavailable):
    """Other appointments hold all seats of the slot."""

    message = "Time slot already booked"


class BookingLimitReached(ClinicError):
    code: ClassVar[Code] = Code.BOOKING_LIMIT_REACHED
    message = "You have too many open appointments; cancel one before you book another"


class InvalidTransition(ClinicError):
    code: ClassVar[Code] = Code.INVALID_STATUS_TRANSITION
    message = "The appointment cannot change to this status"


class TooLate(ClinicError):
    code: ClassVar[Code] = Code.TOO_LATE
    message = "It is too late for this"


def roles_in(appointment: AppointmentView, actor: Actor) -> frozenset[Role | None]:
    """The roles of an actor in an appointment.

    `patient` for its patient, `doctor` for its doctor; receptionists, admins and the system have theirs in each.
    """
    roles: set[Role | None] = {Role.PATIENT} if actor.user_id == appointment.patient_id else set()
    if actor.role in (Role.RECEPTIONIST, Role.ADMIN, None) or (
        actor.role is Role.DOCTOR and actor.user_id == appointment.doctor_id
    ):
        roles.add(actor.role)
    return frozenset(roles)


Check = Callable[[AppointmentView, Actor, datetime, Policy], None]


def before_it_ends(appointment: AppointmentView, _actor: Actor, now: datetime, _policy: Policy) -> None:
    if now >= appointment.ends_at:
        raise TooLate


def unconfirmed_at_its_start(appointment: AppointmentView, actor: Actor, now: datetime, _policy: Policy) -> None:
    """The system rejects an appointment that is pending at its start; it may have been moved to a later one."""
    if actor.role is None and now < appointment.starts_at:
        raise InvalidTransition("The appointment can still be confirmed")


def with_notice(appointment: AppointmentView, actor: Actor, now: datetime, policy: Policy) -> None:
    """A patient must give notice (`policy.cancel_notice`), staff only for an appointment of their own."""
    if Role.PATIENT in roles_in(appointment, actor) and now > appointment.starts_at - policy.cancel_notice:
        raise TooLate


def with_notice_or_unseen(appointment: AppointmentView, actor: Actor, now: datetime, policy: Policy) -> None:
    """The system cancels for a patient who arrived and was not seen, at 03:00 of the next day."""
    if actor.role is None and not (appointment.has_arrived and now >= _night_after(appointment, policy)):
        raise InvalidTransition("The patient may still be seen")
    with_notice(appointment, actor, now, policy)


CHANGED = "The appointment was changed in the meantime; please look again"
START_FROM = timedelta(hours=1)
START_UNTIL = timedelta(hours=4)
UNDO_NO_SHOW_WITHIN = timedelta(hours=24)
UNDO_WITHIN = timedelta(minutes=10)
"""Steps in the queue and the start of a consultation can be undone for so long."""
_FORGOTTEN_FROM = "03:00"


def around_its_time(appointment: AppointmentView, _actor: Actor, now: datetime, policy: Policy) -> None:
    """The time of an overflow place is only a formality: it can be started from the arrival.

    A patient who has arrived can be treated until the night, however late the doctor is.
    """
    starts_from_arrival = appointment.is_overflow and appointment.has_arrived
    if now < appointment.starts_at - START_FROM and not starts_from_arrival:
        raise InvalidTransition("An appointment can be started from one hour before its time")
    still_waits = appointment.has_arrived and now < _night_after(appointment, policy)
    if now > appointment.ends_at + START_UNTIL and not still_waits:
        raise InvalidTransition("An appointment can be started until four hours after its end")


def soon_after_the_no_show(appointment: AppointmentView, _actor: Actor, now: datetime, _policy: Policy) -> None:
    if now > appointment.since + UNDO_NO_SHOW_WITHIN:
        raise InvalidTransition("A no-show can be undone within 24 hours")


def once_missed(appointment: AppointmentView, actor: Actor, now: datetime, policy: Policy) -> None:
    """Staff may mark a no-show from the start of the appointment; the system waits longer.

    After an undone no-show the system waits as long again; otherwise it would mark it again at once.
    """
    if actor.role is None and appointment.has_arrived:
        raise InvalidTransition("The patient has arrived")
    missed_from = (
        appointment.starts_at if actor.role else max(appointment.ends_at, appointment.since) + policy.no_show_after
    )
    if now < missed_from:
        raise InvalidTransition("The appointment has not been missed yet")


def soon_after_the_start(appointment: AppointmentView, _actor: Actor, now: datetime, _policy: Policy) -> None:
    if now > appointment.since + UNDO_WITHIN:
        raise InvalidTransition("The start of a consultation can be undone within ten minutes")
    if appointment.has_findings:
        raise InvalidTransition("Notes or a prescription are written; the start cannot be undone any more")


def once_forgotten(appointment: AppointmentView, actor: Actor, now: datetime, policy: Policy) -> None:
    """The system completes what nobody completed, at 03:00 of the next day."""
    if actor.role is None and now < _night_after(appointment, policy):
        raise InvalidTransition("The consultation may still be going on")


def _night_after(appointment: AppointmentView, policy: Policy) -> datetime:
    """03:00 of the next day, when the appointments of a day are over for certain."""
    next_day = clock.local_date(appointment.starts_at, policy.timezone) + timedelta(days=1)
    return clock.wall_clock(next_day, _FORGOTTEN_FROM, policy.timezone)


def any_time(_appointment: AppointmentView, _actor: Actor, _now: datetime, _policy: Policy) -> None:
    """No condition on the time."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table of transitions; the role None is the system.

    `roles_in` decides which of the roles an actor has.
    """

    source: Status
    target: Status
    roles: frozenset[Role | None]
    check: Check = any_time
    needs_reason: bool = False
    notifies_patient: bool = False

    @property
    def frees_seat(self) -> bool:
        return self.source in ACTIVE and self.target not in ACTIVE

    @property
    def claims_seat(self) -> bool:
        return self.source not in ACTIVE and self.target in ACTIVE


_P, _D, _R, _A, _SYSTEM = Role.PATIENT, Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN, None

MOVES: Mapping[tuple[Status, Status], Move] = {
    (move.source, move.target): move
    for move in (
        Move(Status.PENDING, Status.CONFIRMED, frozenset({_R, _A}), before_it_ends, notifies_patient=True),
        Move(
            Status.PENDING,
            Status.REJECTED,
            frozenset({_R, _A, _SYSTEM}),
            unconfirmed_at_its_start,
            needs_reason=True,
            notifies_patient=True,
        ),
        Move(Status.PENDING, Status.CANCELLED, frozenset({_P, _R, _A}), notifies_patient=True),
        Move(Status.CONFIRMED, Status.IN_PROGRESS, frozenset({_D, _A}), around_its_time),
        Move(
            Status.CONFIRMED,
            Status.CANCELLED,
            frozenset({_P, _D, _R, _A, _SYSTEM}),
            with_notice_or_unseen,
            notifies_patient=True,
        ),
        Move(Status.CONFIRMED, Status.NO_SHOW, frozenset({_D, _R, _A, _SYSTEM}), once_missed),
        Move(Status.NO_SHOW, Status.CONFIRMED, frozenset({_R, _A}), soon_after_the_no_show),
        Move(Status.IN_PROGRESS, Status.CONFIRMED, frozenset({_D, _A}), soon_after_the_start),
        Move(Status.IN_PROGRESS, Status.COMPLETED, frozenset({_D, _A, _SYSTEM}), once_forgotten, notifies_patient=True),
        Move(Status.IN_PROGRESS, Status.CANCELLED, frozenset({_D, _A}), needs_reason=True, notifies_patient=True),
    )
}


def move(
    appointment: AppointmentView, target: Status, *, actor: Actor, reason: str | None, now: datetime, policy: Policy
) -> Move:
    """Find the row of the table for a transition, and check its conditions.

    Raises:
        InvalidTransition: the table has no such row, or the transition is not allowed at this time.
        PermissionDenied: the role may not make this transition.
        TooLate: the time for this transition has passed.
        ValidationFailed: the reason is missing.
    """
    found = MOVES.get((appointment.status, target))
    if found is None:
        raise InvalidTransition(f"An appointment cannot go from {appointment.status} to {target}")
    if found.roles.isdisjoint(roles_in(appointment, actor)):
        raise PermissionDenied
    found.check(appointment, actor, now, policy)
    if found.needs_reason and not reason:
        raise ValidationFailed.of("reason", "A reason is needed.")
    return found


OF_OWN_PATIENTS = frozenset(Status) - {Status.PENDING, Status.REJECTED, Status.CANCELLED}
"""The statuses in which an appointment makes its patient one of the doctor's own patients."""
