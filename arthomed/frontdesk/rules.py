"""The queue of a doctor's day: its order, the stage of each appointment, the steps in it, and expected waits."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from bson import ObjectId

from arthomed.appointments.rules import START_UNTIL, UNDO_WITHIN, InvalidTransition, Priority, Status
from arthomed.appointments.stages import STAGE_OF, QueuedView, Stage, stage_of


class Step(StrEnum):
    CALL = "call"
    SKIP = "skip"
    RECALL = "recall"


class FormerView(Protocol):
    """The place before the last step."""

    @property
    def left_at(self) -> datetime: ...


T = TypeVar("T", bound=QueuedView)
T_co = TypeVar("T_co", bound=QueuedView, covariant=True)

ON_TIME = timedelta(minutes=10)
"""A patient who arrives so long after the start keeps the place of the slot."""
_JUST_AFTER = timedelta(milliseconds=1)
_SKIPPED_OVER = 2
_IN_LINE = frozenset({Stage.WAITING, Stage.SKIPPED})
_STEPS_FROM: Mapping[Step, frozenset[Stage]] = {
    Step.CALL: frozenset({Stage.WAITING}),
    Step.SKIP: frozenset({Stage.WAITING, Stage.CALLED}),
    Step.RECALL: frozenset({Stage.SKIPPED}),
}
_WHERE: Mapping[Stage, str] = {
    Stage.IN_PROGRESS: "The consultation has begun",
    Stage.CALLED: "The patient is called",
    Stage.WAITING: "The patient is waiting",
    Stage.SKIPPED: "The patient was skipped; recall them first",
    Stage.EXPECTED: "The patient has not arrived",
    Stage.DONE: "The consultation is over",
    Stage.NO_SHOW: "The appointment is marked as a no-show",
    Stage.CANCELLED: "The appointment is cancelled",
}
NOT_CONFIRMED = "The appointment is not confirmed yet; confirm it first"


@dataclass(frozen=True, slots=True)
class Entry(Generic[T_co]):
    """An appointment in the queue of its doctor's day, and where its patient is."""

    appointment: T_co
    stage: Stage


def line_up(day: Collection[T]) -> list[Entry[T]]:
    """The appointments of a doctor's day in queue order, each with its stage.

    Those who wait come by priority, then by due time, then by token. Skipped patients keep their place among them, but
    are not the next until those behind whom they were set have been called.
    """
    by_id = {one.id: one for one in day}
    entries = [Entry(one, stage_of(one, by_id)) for one in day]
    return sorted(entries, key=position)


def next_to_call(line: Iterable[Entry[T]]) -> T | None:
    return next((entry.appointment for entry in line if entry.stage is Stage.WAITING), None)


def due(appointment: QueuedView) -> datetime:
    """When a patient who arrived is due: at the start of the slot, or one slot after a late arrival."""
    queue = appointment.queue
    if queue is None or queue.arrived_at is None:
        return appointment.starts_at
    if queue.due_at is not None:
        return queue.due_at
    if appointment.is_overflow or queue.arrived_at <= appointment.starts_at + ON_TIME:
        return appointment.starts_at
    return queue.arrived_at + (appointment.ends_at - appointment.starts_at)


def after_skip(appointment: T, line: Sequence[Entry[T]]) -> tuple[datetime, list[ObjectId]]:
    """The new due time of a skipped patient, and the waiting patients who are called before: the next two."""
    behind = [
        entry.appointment
        for entry in line
        if entry.stage is Stage.WAITING and _rank(entry.appointment) > _rank(appointment)
    ][:_SKIPPED_OVER]
    moved_to = max((due(one) + _JUST_AFTER for one in behind[-1:]), default=due(appointment))
    return max(moved_to, due(appointment)), [one.id for one in behind]


_GROUPS = {stage: number for number, stage in enumerate(Stage)}
_GROUPS[Stage.SKIPPED] = _GROUPS[Stage.WAITING]
_PRIORITIES = {Priority.EMERGENCY: 0, None: 2}


def _rank(appointment: QueuedView) -> tuple[int, datetime, int]:
    """The place of a patient who arrived: priority, due time, token."""
    queue = appointment.queue
    priority, token = (queue.priority, queue.token) if queue else (None, 0)
    return _PRIORITIES.get(priority, 1), due(appointment), token


def position(entry: Entry[QueuedView]) -> tuple[object, ...]:
    """What the queue is sorted by; entries of several doctors can be sorted together."""
    appointment = entry.appointment
    rank = _rank(appointment) if entry.stage in _IN_LINE else (0, appointment.starts_at, 0)
    return _GROUPS[entry.stage], *rank, appointment.id


def ensure_step(step: Step, entry: Entry[T]) -> None:
    """Raises InvalidTransition, which says where the patient is, when the step is not possible from there."""
    queue = entry.appointment.queue
    is_released = entry.stage is Stage.WAITING and queue is not None and queue.skipped_at is not None
    if entry.stage in _STEPS_FROM[step] or (step is Step.RECALL and is_released):
        return
    raise InvalidTransition(where(entry))


def where(entry: Entry[T]) -> str:
    """Where the patient is, as a sentence."""
    return NOT_CONFIRMED if entry.appointment.status is Status.PENDING else _WHERE[entry.stage]


def ensure_may_arrive(appointment: QueuedView, now: datetime, *, day_begins: datetime) -> None:
    """A patient arrives on the day of a confirmed appointment, as long as it can be started.

    Raises:
        InvalidTransition
    """
    if appointment.status is not Status.CONFIRMED:
        raise InvalidTransition(where(Entry(appointment, STAGE_OF[appointment.status])))
    if now < day_begins:
        raise InvalidTransition("The appointment is on a later day")
    if now > appointment.ends_at + START_UNTIL:
        raise InvalidTransition("The appointment is over; book another one")


def ensure_undoable(appointment: QueuedView, former: FormerView | None, now: datetime) -> None:
    """Raises InvalidTransition when there is no step in the queue that can still be undone."""
    if appointment.status is not Status.CONFIRMED:
        raise InvalidTransition(where(Entry(appointment, STAGE_OF[appointment.status])))
    if former is None:
        raise InvalidTransition("There is nothing to undo")
    if now > former.left_at + UNDO_WITHIN:
        raise InvalidTransition("It is too late to undo this: it happened more than ten minutes ago")
