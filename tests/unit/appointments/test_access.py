"""Who reads and who edits which part of an appointment."""

from itertools import product
from typing import Any

import pytest
from bson import ObjectId

from arthomed.appointments import access, rules
from arthomed.appointments.rules import Status
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.errors import PermissionDenied
from arthomed.core.permissions import Role
from tests.unit.appointments.fakes import ACTORS, ADMIN, DOCTOR, PATIENT, RECEPTIONIST, FakeAppointment

FIELDS = ("reason", "symptoms", "notes", "prescription", "purpose_of_visit")
PENDING, CONFIRMED = Status.PENDING, Status.CONFIRMED


def test_doctor_writes_no_notes_in_an_appointment_with_another_doctor() -> None:
    with pytest.raises(PermissionDenied):
        access.ensure_may_edit(DOCTOR, FakeAppointment(doctor_id=ObjectId()), {"notes"})


def test_doctor_edits_the_own_appointment_with_another_doctor_as_its_patient() -> None:
    own: dict[str, Any] = {"patient_id": DOCTOR.user_id, "doctor_id": ObjectId()}

    access.ensure_may_edit(DOCTOR, FakeAppointment(**own), {"symptoms"})
    with pytest.raises(rules.TooLate):
        access.ensure_may_edit(DOCTOR, FakeAppointment(CONFIRMED, **own), {"symptoms"})


@pytest.mark.parametrize("actor", [RECEPTIONIST, ADMIN], ids=["receptionist", "admin"])
def test_staff_change_the_reason_of_their_own_appointment_only_until_the_confirmation(actor: Actor) -> None:
    own: dict[str, Any] = {"patient_id": actor.user_id}

    access.ensure_may_edit(actor, FakeAppointment(**own), {"reason"})
    with pytest.raises(rules.TooLate):
        access.ensure_may_edit(actor, FakeAppointment(CONFIRMED, **own), {"reason"})
    access.ensure_may_edit(actor, FakeAppointment(CONFIRMED, **own), {"purpose_of_visit"})


UPLOADER = ObjectId()


@pytest.mark.parametrize(
    ("reader", "is_read", "is_file_read"),
    [
        (SYSTEM, True, True),
        (PATIENT, True, True),
        (DOCTOR, True, True),
        (ADMIN, True, True),
        (RECEPTIONIST, False, False),
        (Actor(UPLOADER, Role.RECEPTIONIST), False, True),
        (Actor(PATIENT.user_id, Role.RECEPTIONIST), True, True),
    ],
    ids=["system", "patient", "doctor", "admin", "receptionist", "receptionist who uploaded", "receptionist's own"],
)
def test_reception_reads_no_medical_record_of_others(reader: Actor, *, is_read: bool, is_file_read: bool) -> None:
    patient = PATIENT.signed_in_user_id

    assert access.reads_medical_record(patient, reader) is is_read
    assert access.reads_file(patient, UPLOADER, reader) is is_file_read


EDITABLE = {
    "patient": {"reason", "symptoms"},
    "doctor": {"notes", "prescription"},
    "receptionist": {"purpose_of_visit", "reason"},
    "admin": {"purpose_of_visit", "reason"},
    "system": set(),
}


@pytest.mark.parametrize(("name", "field"), list(product(ACTORS, FIELDS)))
def test_each_role_can_edit_only_its_own_fields(name: str, field: str) -> None:
    try:
        access.ensure_may_edit(ACTORS[name], FakeAppointment(), {field})
        allowed = True
    except PermissionDenied:
        allowed = False

    assert allowed is (field in EDITABLE[name])


def test_edit_with_one_field_of_another_role_is_refused() -> None:
    with pytest.raises(PermissionDenied):
        access.ensure_may_edit(PATIENT, FakeAppointment(), {"reason", "notes"})


@pytest.mark.parametrize("status", [one for one in Status if one is not PENDING])
def test_patient_cannot_edit_after_the_appointment_was_confirmed(status: Status) -> None:
    with pytest.raises(rules.TooLate):
        access.ensure_may_edit(PATIENT, FakeAppointment(status), {"reason"})


@pytest.mark.parametrize("actor", [DOCTOR, RECEPTIONIST, ADMIN], ids=["doctor", "receptionist", "admin"])
@pytest.mark.parametrize("status", list(Status))
def test_staff_can_edit_an_appointment_in_every_status(actor: Actor, status: Status) -> None:
    field = "notes" if actor is DOCTOR else "reason"

    access.ensure_may_edit(actor, FakeAppointment(status), {field})
