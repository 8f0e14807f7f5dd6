"""Steps in the queue of the day: arrive, call, skip, recall, undo. Each is one conditional update."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments.models import Appointment
from arthomed.appointments.queue import Queue
from arthomed.appointments.rules import CHANGED, START_FROM, InvalidTransition, Status, around_its_time
from arthomed.appointments.service import arrival, audit_trail, transitions
from arthomed.appointments.stages import Stage
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.frontdesk import days, rules
from arthomed.frontdesk.rules import Entry, Step
from arthomed.frontdesk.service import lines

log = structlog.get_logger()

UNDONE_BY_STATUS = frozenset({Status.IN_PROGRESS, Status.NO_SHOW})
"""The statuses from which an undo is a change of the status."""
NewPlace = Callable[[ClientSession], Queue]


def arrive(actor: Actor, appointment_id: ObjectId, priority: dict[str, Any]) -> Appointment:
    """Give a patient who arrives the next token; for one who has arrived, change the priority only.

    Raises:
        NotFound: the appointment is none of the actor's.
        InvalidTransition: it is not confirmed, or not today.
    """
    appointment = _load(actor, appointment_id)
    now, day = clock.now(), appointment.appointment_date.date()
    ensure_may_arrive(appointment, now)
    if appointment.has_arrived and not priority:
        audit_trail.record_read(actor, [appointment])
        return _shown(appointment)

    def new_place(session: ClientSession) -> Queue:
        queue: Queue | None = appointment.queue
        if queue is None:
            [queue] = arrival.arrive(appointment.doctor_id, day, now, session)
            return queue.changed(**priority)
        if queue.arrived_at is None:  # the arrival was undone
            queue = queue.after(arrival.STEP, now, arrived_at=now)
        return queue.changed(**priority)

    stored = _store(actor, appointment, new_place, now)
    if stored is None:
        return arrive(actor, appointment_id, priority)
    log.info("patient_arrived", appointment_id=str(appointment_id))
    return _shown(stored)


def call(actor: Actor, appointment_id: ObjectId) -> Appointment:
    """Call a waiting patient.

    Raises:
        NotFound: the appointment is none of the actor's.
        InvalidTransition: the patient does not wait, another one of the doctor is called, or it is too early.
    """
    return _take(actor, appointment_id, Step.CALL)


def skip(actor: Actor, appointment_id: ObjectId, *, seen: datetime | None = None) -> Appointment:
    """Let the next two go first; `seen` as for `undo`. Raises NotFound, InvalidTransition."""
    return _take(actor, appointment_id, Step.SKIP, seen)


def recall(actor: Actor, appointment_id: ObjectId) -> Appointment:
    """A skipped patient is back, and waits again. Raises NotFound, InvalidTransition."""
    return _take(actor, appointment_id, Step.RECALL)


def undo(actor: Actor, appointment_id: ObjectId, *, seen: datetime | None = None) -> Appointment:
    """Undo the last step: the arrival, the call, the skip, the start of the consultation, or a no-show.

    `seen` is the `last_step_at` of what the caller saw, so that nobody undoes a later step of somebody else.

    Raises:
        NotFound: the appointment is none of the actor's.
        InvalidTransition: there is nothing to undo, it is too late, or it is not the step that was seen.
        PermissionDenied: only the doctor and admins undo the start of a consultation.
        SlotTaken, DuplicateValue: see `transitions.change_status`.
    """
    appointment, now = _load(actor, appointment_id), clock.now()
    _ensure_seen(appointment, seen)
    if appointment.status in UNDONE_BY_STATUS:
        return _shown(transitions.change_status(actor, appointment_id, Status.CONFIRMED, seen=seen))
    former = appointment.queue.former if appointment.queue else None
    rules.ensure_undoable(appointment, former, now)
    return _shown(_store_or_refuse(actor, appointment, lambda _: appointment.queue.undone(), now))


def ensure_may_arrive(appointment: Appointment, now: datetime) -> None:
    """Raises InvalidTransition: see `rules.ensure_may_arrive`."""
    begins = days.begin_of(appointment.appointment_date.date())
    rules.ensure_may_arrive(appointment, now, day_begins=min(begins, appointment.starts_at - START_FROM))


def _take(actor: Actor, appointment_id: ObjectId, step: Step, seen: datetime | None = None) -> Appointment:
    loaded, now = _load(actor, appointment_id), clock.now()
    line = _line_of(loaded)
    entry = _entry(line, loaded.id)
    rules.ensure_step(step, entry)
    _ensure_seen(entry.appointment, seen)
    if step is Step.CALL:
        around_its_time(entry.appointment, actor, now, settings().policy)
    queue = _after(step, entry.appointment, line, now)
    stored = _store_or_refuse(actor, entry.appointment, lambda _: queue, now, step)
    log.info("queue_changed", appointment_id=str(appointment_id), step=str(step))
    return _shown(stored)


def _after(step: Step, appointment: Appointment, line: lines.Line, now: datetime) -> Queue:
    queue: Queue = appointment.queue
    if step is Step.CALL:
        return queue.after(step, now, called_at=now)
    if step is Step.RECALL:
        return queue.changed(skipped_at=None, behind=[], former=None)
    due_at, behind = rules.after_skip(appointment, line)
    skipped = {"called_at": None, "skipped_at": now, "due_at": due_at, "behind": behind, "skips": queue.skips + 1}
    return queue.after(step, now, **skipped)


def _store_or_refuse(
    actor: Actor, appointment: Appointment, new_place: NewPlace, now: datetime, step: Step | None = None
) -> Appointment:
    """Store a new place. Raises InvalidTransition, with what is the case now, when another request was faster."""
    stored = _store(actor, appointment, new_place, now)
    if stored is None:
        if step is not None:
            rules.ensure_step(step, _entry(_line_of(appointment), appointment.id))
        raise InvalidTransition(CHANGED)
    return stored


def _store(actor: Actor, appointment: Appointment, new_place: NewPlace, now: datetime) -> Appointment | None:
    """Store a new place with its audit event; None if the appointment was changed since it was loaded."""
    try:
        return transaction(partial(_write, actor, appointment, new_place, now))
    except _Changed:
        return None
    except DuplicateKeyError as error:
        if "queue.token" in (error.details or {}).get("keyPattern", {}):
            raise
        called = next((one.appointment for one in _line_of(appointment) if one.stage is Stage.CALLED), None)
        token = f"Token {called.queue.token}" if called else "Another patient"
        raise InvalidTransition(f"{token} of this doctor is called now; start or skip that one first") from error


class _Changed(Exception):
    """The appointment was changed since it was loaded; it aborts the transaction, so that no token is lost."""


def _write(
    actor: Actor, appointment: Appointment, new_place: NewPlace, now: datetime, session: ClientSession
) -> Appointment:
    stored = appointment.move_in_queue(new_place(session), now=now, session=session)
    if stored is None:
        raise _Changed
    audit_trail.record_change(actor, appointment, stored, session)
    return stored


def _load(actor: Actor, appointment_id: ObjectId) -> Appointment:
    appointment: Appointment = Appointment.listed_for(actor).require(appointment_id)
    return appointment


def _ensure_seen(appointment: Appointment, seen: datetime | None) -> None:
    """Raises InvalidTransition, which says where the patient is, when another step was taken since."""
    if seen not in (None, appointment.last_step_at):
        raise InvalidTransition(rules.where(_entry(_line_of(appointment), appointment.id)))


def _line_of(appointment: Appointment) -> lines.Line:
    return lines.of_doctor(appointment.doctor_id, appointment.appointment_date.date())


def _entry(line: lines.Line, appointment_id: ObjectId) -> Entry[Appointment]:
    found = next((entry for entry in line if entry.appointment.id == appointment_id), None)
    if found is None:  # moved to another day or doctor
        raise InvalidTransition(CHANGED)
    return found


def _shown(appointment: Appointment) -> Appointment:
    """The appointment with its place in the queue of now, its people and files."""
    for one, place in lines.show(_line_of(appointment), clock.now()):
        if one.id == appointment.id:
            Appointment.with_people([one])
            one.in_queue = place
            return one
    raise InvalidTransition(CHANGED)  # moved to another day or doctor
