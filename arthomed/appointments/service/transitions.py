"""What becomes of a visit: each step is conditional on the status it was decided for."""

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
from arthomed.core import clock
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import ClinicError, DuplicateValue, ValidationFailed
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.users import service as users

log = structlog.get_logger()

_UNCONFIRMED = "Nobody could confirm the visit before it was to start"
_TAKEN_ELSEWHERE = "The patient has another visit in its place by now"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Step:
    """What was decided about a visit as it was loaded."""

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
    """Move a visit to another status, with its seat and its message, in one transaction.

    Raises:
        NotFound: there is none that this person may know of.
        InvalidTransition, PermissionDenied, TooLate, ValidationFailed: see rules.move.
        SlotUnavailable, DuplicateValue: a visit is taken up again, but its seat is another's by now, or the
            patient has another visit in its place.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    step = _decide(actor, appointment, target, reason)
    step.changes.update(_findings(target, notes, prescription))
    try:
        moved, told = transaction(partial(_advance, step))
    except DuplicateKeyError as error:
        raise DuplicateValue(_TAKEN_ELSEWHERE) from error
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(told))
    log.info("appointment_moved", appointment_id=str(appointment_id), status=str(target))
    return Appointment.with_people([moved])[0]


def cancel(actor: Actor, appointment_id: ObjectId, *, reason: str | None) -> Appointment:
    """Give a visit up and free its seat; `cancellation` says what is refunded."""
    return change_status(actor, appointment_id, Status.CANCELLED, reason=reason)


def cancel_open(actor: Actor, session: ClientSession) -> None:
    """Give up all of the acting patient's visits that have not begun, within a transaction.

    Raises:
        TooLate: one of them begins too soon.
    """
    is_open = {"patient": actor.user_id, "status": {"$in": [Status.PENDING, Status.CONFIRMED]}}
    for raw in list(Appointment.collection().find(is_open, session=session)):
        _advance(_decide(actor, Appointment.from_raw(raw), Status.CANCELLED, None), session)


def reject_unconfirmed() -> int:
    """Reject the visits that nobody confirmed by their start; returns how many."""
    return _move_all(due(Status.PENDING, starts_at__lte=clock.now()), Status.REJECTED, _UNCONFIRMED)


def mark_no_shows() -> int:
    """Note the confirmed visits that nobody came to; returns how many."""
    missed_before: datetime = clock.now() - settings().policy.no_show_after
    missed = due(Status.CONFIRMED, starts_at__lte=missed_before, ends_at__lte=missed_before)
    return _move_all(missed, Status.NO_SHOW, None)


def _move_all(visits: Any, target: Status, reason: str | None) -> int:
    moved = 0
    for appointment_id in list(visits.limit(_BATCH).scalar("id")):
        try:
            change_status(SYSTEM, appointment_id, target, reason=reason)
        except ClinicError as error:  # somebody was faster
            log.info("appointment_not_moved", appointment_id=str(appointment_id), code=error.code)
        else:
            moved += 1
    return moved


def _decide(actor: Actor, appointment: Appointment, target: Status, reason: str | None) -> _Step:
    now = clock.now()
    move = rules.move(appointment, target, actor=actor, reason=reason, now=now, policy=settings().policy)
    change = Change(source=move.source, target=target, by=actor.user_id, at=now, reason=reason)
    return _Step(actor, appointment, move, change, _outcome(actor, appointment, target, change))


def _advance(step: _Step, session: ClientSession) -> tuple[Appointment, list[Notification]]:
    """The transaction's work; runs again from the start when another writer was in the way."""
    appointment, move = step.appointment, step.move
    seat: dict[str, Any] = {}
    if move.claims_seat:
        claimed = Slot.reclaim(appointment.slot, session=session)
        if claimed is None:
            raise rules.SlotUnavailable
        seat = {"seat": claimed.number}
    moved = appointment.advance(step.change, {**step.changes, **seat}, session=session)
    if moved is None:
        raise rules.InvalidTransition("The visit was changed by somebody else")
    trail.note_change(step.actor, appointment, moved, session)
    if move.frees_seat:
        Slot.free(moved.slot, moved.seat, session=session)
    if not move.tells_patient:
        return moved, []
    told = messages.for_change(moved, users.get(moved.patient_id, session))
    notifications.add_to_outbox(told, session)
    return moved, told


def _outcome(actor: Actor, appointment: Appointment, target: Status, change: Change) -> dict[str, Any]:
    if target is not Status.CANCELLED:
        return {}
    percent = rules.refund_percent(appointment, actor=actor, now=change.at)
    amount = rules.refund_amount(appointment.payment.amount, percent)
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
