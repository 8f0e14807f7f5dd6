"""Routes of single slots: blocks, extra slots, and why a time cannot be booked."""

from typing import Any

from bson import ObjectId

from arthomed.appointments.moving_schemas import (
    AddSlot,
    BlockSlot,
    ExplainQuery,
    ExplanationOut,
    ManagedSlotOut,
    SlotRecordOut,
)
from arthomed.appointments.service import timetable
from arthomed.core.errors import Code
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.scheduling import single_slots
from arthomed.scheduling.models import Slot

blueprint = Blueprint(
    "timetable", __name__, url_prefix="/api/appointments", description="Single slots: blocks and extra slots."
)


@blueprint.get("/slots/<object_id:slot_id>")
@requires(Permission.SLOTS_MANAGE)
@blueprint.response(200, ManagedSlotOut, description="Slot retrieved successfully")
def get_slot(slot_id: ObjectId) -> timetable.ManagedSlot:
    """Read a slot with the appointments that hold its seats; doctors read their own."""
    return timetable.get(current_actor(), slot_id)


@blueprint.put("/slots/<object_id:slot_id>")
@requires(Permission.SLOTS_MANAGE)
@blueprint.arguments(BlockSlot)
@blueprint.response(200, ManagedSlotOut, description="Slot updated successfully")
def block_slot(body: dict[str, Any], slot_id: ObjectId) -> timetable.ManagedSlot:
    """Block a slot with a reason, or unblock it; `appointments` lists its bookings, which stay.

    A block stays when the weekly hours change. An unblocked slot follows them again: outside of them it cannot be
    booked.
    """
    return timetable.set_blocked(current_actor(), slot_id, **body)


@blueprint.post("/slots")
@requires(Permission.SLOTS_MANAGE)
@blueprint.arguments(AddSlot)
@blueprint.response(201, SlotRecordOut, name="slot", description="Slot added successfully")
@blueprint.refuses(Code.NOT_FOUND)
def add_slot(new: single_slots.NewSlot) -> Slot:
    """Add a single slot besides the weekly hours, which stays when they change.

    It may overlap no other slot of the doctor, and lies within the days that can be booked.
    """
    return single_slots.add(current_actor(), new)


@blueprint.get("/explain")
@requires(Permission.SLOTS_MANAGE)
@blueprint.arguments(ExplainQuery, location="query")
@blueprint.response(200, ExplanationOut, description="Time explained successfully")
@blueprint.refuses(Code.NOT_FOUND)
def explain(query: dict[str, Any]) -> dict[str, Any]:
    """Say why a time of a doctor cannot be booked, by the same rules as bookings."""
    reasons = single_slots.explain(current_actor(), query["doctor_id"], query["date"], query["time"])
    return {"bookable": not reasons, "reasons": reasons}
