"""Search, read, register and change patients."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from arthomed.appointments.service import staff
from arthomed.appointments.service.patients import own_patients, patients_with_token, treated_members
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.auth.service import otp
from arthomed.core import text
from arthomed.core.actor import Actor
from arthomed.core.errors import ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.users import family, patients
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

_TOKEN = re.compile(r"# ?([0-9]{1,4})")


def search(actor: Actor, page_request: PageRequest, typed: str) -> Page[User]:
    """Patients by name, number or, after #, token of today; doctors find their own ones.

    Raises:
        ValidationFailed: the search is too short, or the token is no number.
    """
    doctor = actor.signed_in_user_id if actor.role is Role.DOCTOR else None
    if typed.startswith("#"):
        token = _TOKEN.fullmatch(text.plain(typed))
        if token is None:
            raise ValidationFailed.of("search", "Please enter today's token as a number, for example #12.", typed)
        page = patients.among(patients_with_token(int(token[1]), doctor=doctor), page_request)
    else:
        own = None if doctor is None else own_patients(doctor)
        page = patients.find(page_request, typed, own=own)
    ids = [patient.id for patient in page.items]
    audit.record_search(actor, Kind.USER, page_request.filters, found=page.pagination.total)
    audit.record_read(actor, Kind.USER, ids, ids)
    return page


@dataclass(frozen=True, slots=True)
class Record:
    """A patient's record with the family; a doctor gets the members whom the doctor treats."""

    patient: User
    dependents: Sequence[Dependent]


def read(actor: Actor, patient_id: ObjectId) -> Record:
    """Read a patient's record. Raises NotFound for other users, and for patients of other doctors."""
    patient = staff.read(actor, patient_id, role=Role.PATIENT)
    members = family.members(patient_id)
    if actor.role is Role.DOCTOR:
        treated = treated_members(actor.signed_in_user_id, patient_id)
        members = [one for one in members if one.id in treated]
    audit.record_read(actor, Kind.DEPENDENT, [one.id for one in members], [patient_id])
    return Record(patient, members)


def update(actor: Actor, patient_id: ObjectId, changes: users.NewValues, *, network: str) -> User:
    """Merge changes into a patient's record; a new number needs the code that was sent to it, and ends all sessions.

    Raises:
        NotFound: there is no such patient, or the patient was erased.
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
        DuplicateValue: the number belongs to another user.
        ValidationFailed: the code is missing, or a diagnosis is before the date of birth.
    """
    code, mobile = changes.pop("otp", None), changes.pop("mobile_number", None)
    if mobile not in (None, patients.get(patient_id).mobile_number):
        if code is None:
            raise ValidationFailed.of("otp", "Please enter the code that was sent to the new number.")
        otp.consume(otp.Guess(mobile, code, network))
        changes |= {"mobile_number": mobile, "is_verified": True}
    return staff.update_patient(actor, patient_id, changes)
