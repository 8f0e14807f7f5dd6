"""Status changes of an appointment: each is conditional on the status that it was decided for."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import messages, rules
from arthomed.appointments.models import Appointment, Cancellation, Change, due
from arthomed.appointments.rules import Move, Status
from arthomed.appointments.service import trail
from arthomed.config import settings
from arthomed.core import clock, error_reporting
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import is_database_unavailable, transaction
from arthomed.core.errors import ClinicError, DuplicateValue, ValidationFailed
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.users import service as users

log = structlog.get_logger()

_UNCONFIRMED = "The clinic could not confirm the appointment before it was to start"
_TAKEN_ELSEWHERE = "The patient has another appointment at that time by now"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Step:
    """A decided transition of an appointment as it was loaded."""

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
) -> Appointment:
    """Change the status of an appointment, with its seat and its messages, in one transaction.

    Raises:
        NotFound: there is no such appointment that this user may see.
        InvalidTransition, PermissionDenied, TooLate, ValidationFailed: see rules.move.
        SlotUnavailable, DuplicateValue: a no-show is undone, but its seat is taken by now, or the patient has another
            appointment at that time.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    step = _decide(actor, appointment, target, reason)
    step.changes.update(_findings(target, notes, prescription))
    try:
        moved, new_messages = transaction(partial(_advance, step))
    except DuplicateKeyError as error:
        raise DuplicateValue(_TAKEN_ELSEWHERE) from error
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(new_messages))
    log.info("appointment_moved", appointment_id=str(appointment_id), status=str(target))
    return Appointment.with_people([moved])[0]


def cancel(actor: Actor, appointment_id: ObjectId, *, reason: str | None) -> Appointment:
    """Cancel an appointment and free its seat; `cancellation` says what is refunded."""
    return change_status(actor, appointment_id, Status.CANCELLED, reason=reason)


def cancel_open(actor: Actor, session: ClientSession) -> None:
    """Cancel all of the acting patient's appointments that have not begun, within a transaction.

    Raises:
        TooLate: one of them begins too soon.
    """
    is_open = {"patient": actor.user_id, "status": {"$in": [Status.PENDING, Status.CONFIRMED]}}
    for raw in list(Appointment.collection().find(is_open, session=session)):
        _advance(_decide(actor, Appointment.from_raw(raw), Status.CANCELLED, None), session)


def reject_unconfirmed() -> int:
    """Reject the appointments that were not confirmed by their start; returns how many."""
    return _move_all(due(Status.PENDING, starts_at__lte=clock.now()), Status.REJECTED, _UNCONFIRMED)


def mark_no_shows() -> int:
    """Mark the confirmed appointments that were missed as no-shows; returns how many."""
    missed_before: datetime = clock.now() - settings().policy.no_show_after
    missed = due(Status.CONFIRMED, starts_at__lte=missed_before, ends_at__lte=missed_before)
    return _move_all(missed, Status.NO_SHOW, None)


def _move_all(appointments: Any, target: Status, reason: str | None) -> int:
    """Move each appointment; a broken one is reported and must not stop those behind it."""
    moved = 0
    for appointment_id in list(appointments.limit(_BATCH).scalar("id")):
        try:
            change_status(SYSTEM, appointment_id, target, reason=reason)
        except ClinicError as error:  # another request has moved it
            log.info("appointment_not_moved", appointment_id=str(appointment_id), code=error.code)
        except Exception as error:
            if is_database_unavailable(error):
                raise
            log.exception("appointment_broken", appointment_id=str(appointment_id))
            error_reporting.report(error, f"moving appointments to {target}")
        else:
            moved += 1
    return moved


def _decide(actor: Actor, appointment: Appointment, target: Status, reason: str | None) -> _Step:
    now = clock.now()
    move = rules.move(appointment, target, actor=actor, reason=reason, now=now, policy=settings().policy)
    change = Change(source=move.source, target=target, by=actor.user_id, at=now, reason=reason)
    return _Step(actor, appointment, move, change, _outcome(actor, appointment, target, change))


def _advance(step: _Step, session: ClientSession) -> tuple[Appointment, list[Notification]]:
    """The work of the transaction, which runs again from the start after a write conflict."""
    appointment, move = step.appointment, step.move
    seat: dict[str, Any] = {}
    if move.claims_seat:
        claimed = Slot.reclaim(appointment.slot, session=session)
        if claimed is None:
            raise rules.SlotUnavailable
        seat = {"seat": claimed.number}
    moved = appointment.advance(step.change, {**step.changes, **seat}, session=session)
    if moved is None:
        raise rules.InvalidTransition("The appointment was changed in the meantime")
    trail.note_change(step.actor, appointment, moved, session)
    if move.frees_seat:
        Slot.free(moved.slot, moved.seat, session=session)
    if not move.notifies_patient:
        return moved, []
    new_messages = messages.for_change(moved, users.get(moved.patient_id, session))
    notifications.add_to_outbox(new_messages, session)
    return moved, new_messages


def _outcome(actor: Actor, appointment: Appointment, target: Status, change: Change) -> dict[str, Any]:
    if target is not Status.CANCELLED:
        return {}
    percent = rules.refund_percent(appointment, actor=actor, now=change.at)
    amount = rules.refund_amount(appointment.payment.paid_amount, percent)
    cancellation = Cancellation(
        by=change.by,
        at=change.at,
        reason=change.reason,
        refund_amount=amount,
        refund_status="pending" if amount else "none",
    )
    return {"cancellation": cancellation.to_mongo()}


def _findings(target: Status, notes: str | None, prescription: str | None) -> dict[str, Any]:
    found = {name: text for name, text in (("notes", notes), ("prescription", prescription)) if text is not None}
    if found and target is not Status.COMPLETED:
        raise ValidationFailed.of(next(iter(found)), "Comes with the status completed only.")
    return found
