"""Who is at the desk or on the phone, by the mobile number; and the booking for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import ObjectId

from arthomed.appointments.service import desk, offers
from arthomed.appointments.service.desk import DeskBooked, DeskBooking
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import families
from arthomed.users import patients
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class Caller:
    """The user of a number with the family, or nobody yet; one of the staff may be a patient, too."""

    mobile_number: str
    user: User | None = None
    members: Sequence[Dependent] = ()
    usual_doctor: ObjectId | None = None

    @property
    def is_patient(self) -> bool:
        return self.user is not None and self.user.role is Role.PATIENT


def find(actor: Actor, mobile_number: str) -> Caller:
    """Find who has a number.

    Raises:
        NotFound: the account is deactivated.
    """
    user = desk.find_by_mobile(actor, mobile_number)
    if user is None:
        return Caller(mobile_number)
    audit.record_read(actor, Kind.USER, [user.id], [user.id])
    members = families.members(actor, user.id) if user.role is Role.PATIENT else []
    return Caller(mobile_number, user, members, offers.usual_doctor(user.id))


def possible_duplicates(actor: Actor, mobile_number: str, name: str) -> list[User]:
    """Patients who may be the person of a name and a number that is not registered yet."""
    return patients.possible_duplicates(actor, users.new_user(Role.PATIENT, mobile_number, name))


def book(
    actor: Actor, request: DeskBooking, *, new_member: Mapping[str, Any] | None = None, key: str | None = None
) -> DeskBooked:
    """Book at the desk; a new family member, and the patient of an unknown number, are stored first.

    They stay when the booking is refused: the next request finds them.

    Raises:
        NotFound: the number is one of the staff, who have no family here.
        ValidationFailed: see `family.add`.
        ClinicError: see `desk.book`.
    """
    if new_member is None:
        return desk.book(actor, request, key=key)
    patient_id = (
        request.patient_id or patients.register(actor, str(request.mobile_number), name=request.name).patient.id
    )
    member = families.add(actor, patient_id, dict(new_member)).dependent
    of_member = replace(request, patient_id=patient_id, mobile_number=None, name=None, dependent_id=member.id)
    return desk.book(actor, of_member, key=key)
