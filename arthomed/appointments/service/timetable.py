"""Single slots with the appointments that hold them."""

from dataclasses import dataclass

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE
from arthomed.appointments.service import audit_trail
from arthomed.core.actor import Actor
from arthomed.scheduling import single_slots
from arthomed.scheduling.bookability import BlockReason
from arthomed.scheduling.models import Slot


@dataclass(frozen=True, slots=True)
class ManagedSlot:
    slot: Slot
    appointments: list[Appointment]


def get(actor: Actor, slot_id: ObjectId) -> ManagedSlot:
    """Read a slot with the appointments that hold its seats."""
    return _with_appointments(actor, Slot.managed_by(actor).require(slot_id))


def set_blocked(actor: Actor, slot_id: ObjectId, *, is_blocked: bool, reason: BlockReason | None) -> ManagedSlot:
    """Block or unblock a slot; see `single_slots.set_blocked`."""
    return _with_appointments(actor, single_slots.set_blocked(actor, slot_id, is_blocked=is_blocked, reason=reason))


def _with_appointments(actor: Actor, slot: Slot) -> ManagedSlot:
    holders = Appointment.objects(slot=slot.id, status__in=sorted(ACTIVE))
    appointments = sorted(holders, key=lambda one: one.seat)
    audit_trail.record_read(actor, appointments)
    return ManagedSlot(slot, Appointment.with_people(appointments))
