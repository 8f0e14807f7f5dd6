"""Status transitions of appointments; each is conditional on the status and slot that it was decided for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import fees, messages, rules
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Cancellation, Change
from arthomed.appointments.rules import Move, Status
from arthomed.appointments.service import audit_trail, seats
from arthomed.config import settings
from arthomed.core import clock, error_reporting
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import is_database_unavailable, transaction
from arthomed.core.errors import DuplicateValue, ServiceUnavailable, ValidationFailed
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.users import service as users

log = structlog.get_logger()

_UNCONFIRMED = "The clinic could not confirm the appointment before it was to start"
_NOT_GIVEN_YET = "a reason that is given with the cancellation"
_FORGOTTEN = "The consultation was not completed on its day"
_UNSEEN = "The clinic did not see the patient"
_OTHER_CALLED = "Another patient of this doctor is called now; start or skip that one first"
_DECIDED = "The appointment does not wait for confirmation any more"
_SAME_TIME = "The patient now has another appointment at that time"


@dataclass(frozen=True, slots=True)
class _Transition:
    """A transition that the rules allow, for the appointment as it was loaded."""

    actor: Actor
    appointment: Appointment
    move: Move
    change: Change
    changes: dict[str, Any]


def change_status(
    actor: Actor,
    appointment_id: ObjectId,
    target: Status,
    *,
    reason: str | None = None,
    notes: str | None = None,
    prescription: str | None = None,
    seen: datetime | None = None,
) -> Appointment:
    """Change the status of an appointment, its seat and its messages in one transaction.

    `seen` is the `last_step_at` of what the caller saw: an appointment that was changed since stays as it is.

    Raises:
        NotFound: the user may not see the appointment, or it does not exist.
        InvalidTransition, PermissionDenied, TooLate, ValidationFailed: see `rules.move`.
        SlotTaken: the seat of a no-show that is undone was taken meanwhile.
        DuplicateValue: the patient of a no-show that is undone has another appointment at that time.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    transition = _prepare(actor, appointment, target, reason)
    transition.changes.update(_findings(target, notes, prescription))
    return _commit_seen(transition, seen)


def _commit_seen(transition: _Transition, seen: datetime | None) -> Appointment:
    """Commit a transition of the appointment that the caller saw, and return it with its people."""
    if seen not in (None, transition.appointment.last_step_at):
        raise rules.InvalidTransition(rules.CHANGED)
    return Appointment.with_people([_commit(transition)])[0]


def _commit(transition: _Transition) -> Appointment:
    try:
        moved, new_messages = transaction(partial(_apply, transition))
    except DuplicateKeyError as error:
        if "patient" not in (error.details or {}).get("keyPattern", {}):
            raise rules.InvalidTransition(_OTHER_CALLED) from error
        raise DuplicateValue(_SAME_TIME) from error
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(new_messages))
    log.info("appointment_moved", appointment_id=str(moved.id), status=str(moved.status))
    return moved


def confirm(actor: Actor, appointment_id: ObjectId, *, seen: datetime | None = None) -> Appointment:
    """Confirm a request; a change of the status to `confirmed` would also undo a start or a no-show.

    Raises:
        NotFound, InvalidTransition, PermissionDenied, TooLate: see `change_status`.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    if appointment.status is not Status.PENDING:
        raise rules.InvalidTransition(_DECIDED)
    return _commit_seen(_prepare(actor, appointment, Status.CONFIRMED, None), seen)


def cancel(actor: Actor, appointment_id: ObjectId, *, reason: str | None, seen: datetime | None = None) -> Appointment:
    """Cancel an appointment and free its seat; `cancellation` holds the refund."""
    return change_status(actor, appointment_id, Status.CANCELLED, reason=reason, seen=seen)


def quote_cancellation(actor: Actor, appointment_id: ObjectId) -> Appointment:
    """An appointment with its people, and with the cancellation and refund as they would be now; nothing is stored.

    Raises:
        NotFound, InvalidTransition, PermissionDenied, TooLate: see `change_status`.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    change = _prepare(actor, appointment, Status.CANCELLED, _NOT_GIVEN_YET).change
    appointment.cancellation = _cancellation(actor, appointment, Status.CANCELLED, change)
    audit_trail.record_read(actor, [appointment])
    return Appointment.with_people([appointment])[0]


def cancel_open(actor: Actor, session: ClientSession) -> None:
    """Cancel all pending and confirmed appointments of the acting patient, within a transaction.

    Raises:
        TooLate: one of them starts too soon.
    """
    is_open = {"patient": actor.user_id, "status": {"$in": [Status.PENDING, Status.CONFIRMED]}}
    for appointment in Appointment.find_all(is_open, session):
        _apply(_prepare(actor, appointment, Status.CANCELLED, None), session)


def reject_unconfirmed() -> int:
    """Reject the appointments that are pending at their start; returns how many."""
    due = _due(Status.PENDING, starts_at__lte=clock.now())
    return _move_all(due, Status.REJECTED, _UNCONFIRMED)


def mark_no_shows() -> int:
    """Mark confirmed appointments as no-shows some time after their end; returns how many."""
    ended_before: datetime = clock.now() - settings().policy.no_show_after
    due = _due(Status.CONFIRMED, starts_at__lte=ended_before, ends_at__lte=ended_before, queue__arrived_at=None)
    return _move_all(due, Status.NO_SHOW, None)


def complete_forgotten() -> int:
    """Complete the consultations that began on an earlier day and that nobody completed; returns how many."""
    return _move_all(_due(Status.IN_PROGRESS, starts_at__lt=_midnight()), Status.COMPLETED, _FORGOTTEN)


def cancel_unseen() -> int:
    """Cancel for the patients who arrived on an earlier day and were not seen, with a full refund; returns how many."""
    due = _due(Status.CONFIRMED, starts_at__lt=_midnight(), queue__arrived_at__ne=None)
    return _move_all(due, Status.CANCELLED, _UNSEEN)


def close_earlier_days() -> int:
    """Settle what was left open on earlier days; returns how many appointments."""
    return complete_forgotten() + cancel_unseen()


def _midnight() -> datetime:
    """The instant at which the present day began at the clinic."""
    zone = settings().policy.timezone
    return clock.wall_clock(clock.today(zone), "00:00", zone)


def _due(status: Status, **conditions: datetime | None) -> list[ObjectId]:
    """The ids of appointments that a periodic job handles, the earliest start first."""
    return list(Appointment.objects(status=status, **conditions).order_by("starts_at").scalar("id"))


def _move_all(appointment_ids: Sequence[ObjectId], target: Status, reason: str | None) -> int:
    """Move each appointment; one that fails is reported and does not stop the others."""
    moved = 0
    for appointment_id in appointment_ids:
        try:
            _commit(_prepare(SYSTEM, Appointment.objects.require(appointment_id), target, reason))
        except rules.InvalidTransition:  # moved by another request meanwhile, or not missed yet after an undone no-show
            log.info("appointment_not_moved", appointment_id=str(appointment_id))
        except Exception as error:
            if is_database_unavailable(error) or isinstance(error, ServiceUnavailable):
                raise
            log.exception("appointment_broken", appointment_id=str(appointment_id))
            error_reporting.report(error, f"moving appointments to {target}")
        else:
            moved += 1
    return moved


def _prepare(actor: Actor, appointment: Appointment, target: Status, reason: str | None) -> _Transition:
    now = clock.now()
    move = rules.move(appointment, target, actor=actor, reason=reason, now=now, policy=settings().policy)
    change = Change(source=move.source, target=target, by=actor.user_id, at=now, reason=reason)
    cancellation = _cancellation(actor, appointment, target, change)
    changes = {} if cancellation is None else {"cancellation": cancellation.to_mongo()}
    return _Transition(actor, appointment, move, change, changes)


def _apply(transition: _Transition, session: ClientSession) -> tuple[Appointment, list[Notification]]:
    """Write a transition; the transaction runs this again from the start after a write conflict."""
    appointment, move = transition.appointment, transition.move
    seat: dict[str, Any] = {}
    if move.claims_seat and not appointment.is_overflow:
        claimed = Slot.reclaim(appointment.slot, appointment.id, session=session)
        if claimed is None:
            raise rules.SlotTaken
        seat = {"seat": claimed.number}
    moved = appointment.advance(transition.change, {**transition.changes, **seat}, session=session)
    if moved is None:
        raise rules.InvalidTransition(rules.CHANGED)
    audit_trail.record_change(transition.actor, appointment, moved, session)
    if move.frees_seat and not moved.is_overflow:
        seats.free(moved.slot, moved.seat, session)
    if not move.notifies_patient:
        return moved, []
    has_device = bool(notifications.users_with_devices([moved.patient_id]))
    new_messages = messages.for_status(moved, users.get(moved.patient_id, session), has_device=has_device)
    notifications.add_to_outbox(new_messages, session)
    return moved, new_messages


def _cancellation(actor: Actor, appointment: Appointment, target: Status, change: Change) -> Cancellation | None:
    """The cancellation and its refund, also of a rejected appointment that was paid in advance."""
    paid = appointment.payment.paid_amount
    if target is not Status.CANCELLED and not (target is Status.REJECTED and paid):
        return None
    percent = fees.refund_percent(appointment, actor=actor, now=change.at)
    amount = fees.refund_amount(paid, percent)
    return Cancellation(
        by=change.by,
        at=change.at,
        reason=change.reason,
        refund_amount=amount,
        refund_status=fees.refund_status(amount, refunded=0, paid=paid),
        refunded_before=appointment.payment.recorded_refunds,
    )


def _findings(target: Status, notes: str | None, prescription: str | None) -> dict[str, Any]:
    found = {name: text for name, text in (("notes", notes), ("prescription", prescription)) if text is not None}
    if found and target is not Status.COMPLETED:
        raise ValidationFailed.of(next(iter(found)), "Can be set with the status completed only.")
    return found
