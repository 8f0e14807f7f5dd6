"""Where a patient is on the day of the appointment, by its status and its place in the queue; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bson import ObjectId

from arthomed.appointments.rules import Priority, Status


class Stage(StrEnum):
    """Where a patient is on the day; in the order in which the list of the day shows them."""

    IN_PROGRESS = "in-progress"
    CALLED = "called"
    WAITING = "waiting"
    SKIPPED = "skipped"
    EXPECTED = "expected"
    DONE = "done"
    NO_SHOW = "no-show"
    CANCELLED = "cancelled"


class QueueView(Protocol):
    """The part of a place in the queue that the rules need; see `appointments/queue.py`."""

    @property
    def token(self) -> int: ...
    @property
    def arrived_at(self) -> datetime | None: ...
    @property
    def called_at(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def skipped_at(self) -> datetime | None: ...
    @property
    def behind(self) -> Sequence[ObjectId]: ...
    @property
    def skips(self) -> int: ...
    @property
    def priority(self) -> Priority | None: ...
    @property
    def priority_reason(self) -> str | None: ...


class QueuedView(Protocol):
    """The part of an appointment that the rules need."""

    @property
    def id(self) -> ObjectId: ...
    @property
    def status(self) -> Status: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def is_overflow(self) -> bool: ...
    @property
    def queue(self) -> QueueView | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def completed_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Wait:
    """A range in whole steps of five minutes: a precise minute would be false."""

    from_minutes: int
    to_minutes: int


@dataclass(frozen=True, slots=True)
class InQueue:
    """The place of an appointment in the queue of its day; most of it is None until the patient arrives."""

    stage: Stage
    token: int | None
    arrived_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    priority: Priority | None
    priority_reason: str | None
    skips: int
    expected_wait: Wait | None

    @classmethod
    def of(cls, appointment: QueuedView, stage: Stage, wait: Wait | None = None) -> "InQueue":
        queue = appointment.queue
        return cls(
            stage=stage,
            token=queue.token if queue else None,
            arrived_at=queue.arrived_at if queue else None,
            called_at=queue.called_at if queue else None,
            started_at=appointment.started_at,
            completed_at=appointment.completed_at,
            priority=queue.priority if queue else None,
            priority_reason=queue.priority_reason if queue else None,
            skips=queue.skips if queue else 0,
            expected_wait=wait,
        )


STAGE_OF: Mapping[Status, Stage] = {
    Status.PENDING: Stage.EXPECTED,
    Status.CONFIRMED: Stage.EXPECTED,
    Status.IN_PROGRESS: Stage.IN_PROGRESS,
    Status.COMPLETED: Stage.DONE,
    Status.NO_SHOW: Stage.NO_SHOW,
    Status.CANCELLED: Stage.CANCELLED,
    Status.REJECTED: Stage.CANCELLED,
}
"""The stage of one who has not arrived, or whose consultation has begun."""


def stage_of(appointment: QueuedView, day: Mapping[ObjectId, QueuedView]) -> Stage:
    """The stage of an appointment; `day` has the others of its doctor's day, at least those in `queue.behind`."""
    queue = appointment.queue
    if appointment.status is not Status.CONFIRMED or queue is None or queue.arrived_at is None:
        return STAGE_OF[appointment.status]
    if queue.called_at is not None:
        return Stage.CALLED
    if queue.skipped_at is not None and any(
        other in day and _is_ahead(day[other], queue.skipped_at) for other in queue.behind
    ):
        return Stage.SKIPPED
    return Stage.WAITING


def place_of(appointment: QueuedView, others: Iterable[QueuedView] = ()) -> InQueue | None:
    """The place of one who has a token, without an expected wait; the `others` are at least those in `queue.behind`.

    One who has a token is not moved to another day, so they are of the same day.
    """
    if appointment.queue is None:
        return None
    return InQueue.of(appointment, stage_of(appointment, {one.id: one for one in others}))


def _is_ahead(other: QueuedView, skipped_at: datetime) -> bool:
    """Whether a patient still has to be called before one who was skipped at that time.

    Not one who was skipped later: so the relation has no circles, and one of those who are left can always be called.
    """
    queue = other.queue
    return (
        other.status is Status.CONFIRMED
        and queue is not None
        and queue.arrived_at is not None
        and queue.called_at is None
        and (queue.skipped_at is None or queue.skipped_at < skipped_at)
    )
