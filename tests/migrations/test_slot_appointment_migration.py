"""Migration 0017 and its downgrade with slots and appointments in the database."""

from importlib import import_module

import pytest
from bson import ObjectId

from arthomed.infra import migrations
from tests.factories import Records
from tests.migrations import records

migration = import_module("migrations.0017_slot_appointment")


def store_slot(fresh: Records, *statuses: str) -> list[ObjectId]:
    """Store a slot with appointments of these statuses; returns the ids of those that hold a seat."""
    doctor = ObjectId()
    made = [records.appointment(doctor=doctor, seat=seat, status=status) for seat, status in enumerate(statuses, 1)]
    holding = [one for one in made if one["status"] not in ("cancelled", "completed")]
    seats = [one["seat"] for one in holding]
    slot = records.slot(doctor=doctor, takenSeats=seats, bookedPatients=len(seats), maxPatients=3)
    fresh.slots.insert_one(slot)
    fresh.appointments.insert_many({**one, "slot": slot["_id"]} for one in made)
    return [one["_id"] for one in holding]


@pytest.mark.parametrize(
    ("statuses", "is_named"),
    [
        (("pending",), True),
        (("in-progress",), True),
        (("cancelled", "confirmed", "completed"), True),
        (("pending", "confirmed"), False),
        (("cancelled",), False),
    ],
    ids=str,
)
def test_slots_with_one_appointment_name_it(
    fresh: Records, fresh_uri: str, statuses: tuple[str, ...], *, is_named: bool
) -> None:
    migrations.upgrade(fresh_uri)
    holding = store_slot(fresh, *statuses)

    for _ in range(2):  # an interrupted run is repeated
        migration.upgrade(fresh)

    slot = fresh.slots.find_one() or {}
    assert slot.get("appointment") == (holding[0] if is_named else None)
    assert ("appointment" in slot) is is_named


def test_the_downgrade_removes_the_field(fresh: Records, fresh_uri: str) -> None:
    migrations.upgrade(fresh_uri)
    store_slot(fresh, "pending")
    migration.upgrade(fresh)

    migration.downgrade(fresh)

    assert "appointment" not in (fresh.slots.find_one() or {})
