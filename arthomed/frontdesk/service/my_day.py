"""A doctor's day as the doctor works through it: who is next, what is found, and the end of the consultation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import queries
from arthomed.appointments.stages import Stage
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.frontdesk.service import day, steps
from arthomed.frontdesk.service.day import Item
from arthomed.frontdesk.service.steps import Action

_NEXT = (Stage.IN_PROGRESS, Stage.CALLED, Stage.WAITING)
_TO_COME = frozenset({*_NEXT, Stage.SKIPPED, Stage.EXPECTED})


@dataclass(frozen=True, slots=True)
class MyDay:
    """Today in queue order: the patient in consultation or the next one, those after, and those who are done."""

    current: Item | None
    others: Sequence[Item]
    done: Sequence[Item]
    possible: Sequence[Action]

    @property
    def in_consultation(self) -> ObjectId | None:
        is_begun = self.current is not None and self.current.in_queue.stage is Stage.IN_PROGRESS
        return self.current.row.id if self.current and is_begun else None


def get(actor: Actor, now: datetime) -> MyDay:
    """The day of the acting doctor."""
    found = day.find(actor, clock.today(settings().policy.timezone))
    to_come = [item for item in found.items if item.in_queue.stage in _TO_COME]
    current = next((item for item in to_come if item.in_queue.stage in _NEXT), None)
    others = [item for item in to_come if item is not current]
    done = [item for item in found.items if item.in_queue.stage is Stage.DONE]
    possible = steps.possible(actor, found, now)[current.row.id] if current else []
    return MyDay(current, others, done, possible)


def save_findings(actor: Actor, appointment_id: ObjectId, findings: Mapping[str, str | None]) -> Appointment:
    """Store notes and prescription, if they differ from what is stored."""
    appointment = queries.get(actor, appointment_id)
    changes = {name: text for name, text in findings.items() if text != appointment[name]}
    return queries.edit(actor, appointment_id, changes) if changes else appointment


def finish(actor: Actor, appointment_id: ObjectId, findings: Mapping[str, str | None]) -> Appointment:
    """Store notes and prescription, and end the consultation; one that is over stays so."""
    saved = save_findings(actor, appointment_id, findings)
    return saved if saved.status is Status.COMPLETED else steps.take(actor, Action.DONE, appointment_id)
