"""What can be done with an appointment now: asked of the rules that decide when it is done."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from bson import ObjectId

from arthomed.appointments import rules as appointment_rules
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.appointments.stages import STAGE_OF, Stage
from arthomed.config import settings
from arthomed.core.actor import Actor
from arthomed.core.errors import ClinicError
from arthomed.core.permissions import Permission
from arthomed.frontdesk import rules
from arthomed.frontdesk.rules import Entry, Step
from arthomed.frontdesk.service import queue
from arthomed.frontdesk.service.day import Day, Item


class Action(StrEnum):
    """The steps of an appointment's day, in the order in which a screen offers them."""

    CONFIRM = "confirm"
    ARRIVE = "arrive"
    CALL = "call"
    RECALL = "recall"
    START = "start"
    DONE = "done"
    SKIP = "skip"
    NO_SHOW = "no-show"
    UNDO = "undo"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class _Way:
    """The permission that an action needs, and the service that does it.

    One that can begin at several stages is taken only from the one that the screen showed.
    """

    permission: Permission
    take: Callable[..., object]
    from_seen: bool = False


def _to(status: Status, *, from_seen: bool = False) -> _Way:
    change = partial(transitions.change_status, target=status)
    return _Way(Permission.APPOINTMENT_CHANGE_STATUS, change, from_seen=from_seen)


_WAYS: Mapping[Action, _Way] = {
    Action.CONFIRM: _Way(Permission.APPOINTMENT_CHANGE_STATUS, transitions.confirm, from_seen=True),
    Action.ARRIVE: _Way(Permission.QUEUE, partial(queue.arrive, priority={})),
    Action.CALL: _Way(Permission.QUEUE, queue.call),
    Action.RECALL: _Way(Permission.QUEUE, queue.recall),
    Action.START: _to(Status.IN_PROGRESS),
    Action.DONE: _to(Status.COMPLETED),
    Action.SKIP: _Way(Permission.QUEUE, queue.skip, from_seen=True),
    Action.NO_SHOW: _to(Status.NO_SHOW, from_seen=True),
    Action.UNDO: _Way(Permission.QUEUE, queue.undo, from_seen=True),
    Action.CANCEL: _Way(Permission.APPOINTMENT_CANCEL, transitions.cancel, from_seen=True),
}
_TARGETS: Mapping[Action, Status] = {
    Action.START: Status.IN_PROGRESS,
    Action.DONE: Status.COMPLETED,
    Action.NO_SHOW: Status.NO_SHOW,
    Action.CANCEL: Status.CANCELLED,
}
_STEPS: Mapping[Action, Step] = {Action.CALL: Step.CALL, Action.SKIP: Step.SKIP, Action.RECALL: Step.RECALL}
_REASON = "given when it is done"


def permission_of(action: Action) -> Permission:
    return _WAYS[action].permission


def take(
    actor: Actor, action: Action, appointment_id: ObjectId, *, seen: datetime | None = None, **more: Any
) -> Appointment:
    """Do it; `seen` is the `last_step_at` that the screen showed, `more` what the service of the action takes.

    Raises what the service raises.
    """
    way = _WAYS[action]
    if way.from_seen:
        more["seen"] = seen
    done: Any = way.take(actor, appointment_id, **more)
    appointment: Appointment = done
    return appointment


def possible(actor: Actor, day: Day, now: datetime) -> dict[ObjectId, list[Action]]:
    """What the actor can do with each appointment of a day now."""
    busy = {doctor.id for doctor in day.doctors if doctor.counts[Stage.CALLED]}
    return {
        item.row.id: [
            action
            for action, way in _WAYS.items()
            if actor.may(way.permission) and _is_possible(actor, action, item, now, busy)
        ]
        for item in day.items
    }


def is_cancellable(actor: Actor, appointment: Appointment, now: datetime) -> bool:
    """Whether the actor can cancel an appointment now."""
    try:
        _check(actor, Action.CANCEL, Entry(appointment, STAGE_OF[appointment.status]), now)
    except ClinicError:
        return False
    return actor.may(permission_of(Action.CANCEL))


def _is_possible(actor: Actor, action: Action, item: Item, now: datetime, busy: set[ObjectId]) -> bool:
    appointment = item.row.appointment
    if action is Action.CALL and appointment.doctor_id in busy:
        return False
    try:
        _check(actor, action, Entry(appointment, item.in_queue.stage), now)
    except ClinicError:
        return False
    return True


def _check(actor: Actor, action: Action, entry: Entry[Appointment], now: datetime) -> None:
    """Raises what the rules raise when the action is not possible."""
    appointment = entry.appointment
    move: Any = partial(
        appointment_rules.move, appointment, actor=actor, reason=_REASON, now=now, policy=settings().policy
    )
    if action is Action.CONFIRM and appointment.status is not Status.PENDING:
        raise appointment_rules.InvalidTransition
    if action in _STEPS:
        rules.ensure_step(_STEPS[action], entry)
        if action is Action.RECALL and entry.stage is not Stage.SKIPPED:  # whoever waits again is called instead
            raise appointment_rules.InvalidTransition
        if action is Action.CALL:
            appointment_rules.around_its_time(appointment, actor, now, settings().policy)
    elif action is Action.ARRIVE:
        if appointment.has_arrived:
            raise appointment_rules.InvalidTransition
        queue.ensure_may_arrive(appointment, now)
    elif action is Action.UNDO and appointment.status not in queue.UNDONE_BY_STATUS:
        rules.ensure_undoable(appointment, appointment.queue and appointment.queue.former, now)
    else:
        move(_TARGETS.get(action, Status.CONFIRMED))
