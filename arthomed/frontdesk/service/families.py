"""Families at the desk, and members who get a mobile number of their own."""

from dataclasses import dataclass
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.service import hand_over
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.auth import rules as auth_rules
from arthomed.auth.service import otp
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import ValidationFailed
from arthomed.core.permissions import Role
from arthomed.users import family, patients
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claim:
    """A member who gets a mobile number, with the code that was sent to it; `network` as in `otp.Guess`."""

    dependent_id: ObjectId
    mobile_number: str
    code: str
    network: str

    @property
    def guess(self) -> otp.Guess:
        return otp.Guess(self.mobile_number, self.code, self.network)


def members(actor: Actor, patient_id: ObjectId) -> list[Dependent]:
    """The members of a patient's family, by name. Raises NotFound for other users."""
    found = family.members(patients.get(patient_id).id)
    audit.record_read(actor, Kind.DEPENDENT, [one.id for one in found], [patient_id])
    return found


def add(actor: Actor, patient_id: ObjectId, parts: dict[str, Any]) -> family.Added:
    """Add a member to a patient's family; see `family.add`. Raises NotFound for other users."""
    added = family.add(actor, patients.get(patient_id).id, parts)
    if not added.is_new:
        audit.record_read(actor, Kind.DEPENDENT, [added.dependent.id], [patient_id])
    return added


def update(actor: Actor, patient_id: ObjectId, dependent_id: ObjectId, changes: dict[str, Any]) -> Dependent:
    """Change a member of a patient's family; see `family.update`. Raises NotFound for other users."""
    return family.update(actor, patients.get(patient_id).id, dependent_id, changes)


def remove(actor: Actor, patient_id: ObjectId, dependent_id: ObjectId) -> None:
    """Remove a member from a patient's family; see `family.remove`. Raises NotFound for other users."""
    family.remove(actor, patients.get(patient_id).id, dependent_id)


def claim(actor: Actor, request: Claim) -> User:
    """Make a family member the patient of a mobile number, with all their appointments and files.

    A number that is a patient already keeps its record. A repeated request returns the patient again.

    Raises:
        NotFound: there is no such member.
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
        ValidationFailed: the number is the family's own, or is not one of an active patient.
        DuplicateValue: see `hand_over.hand_over`; the code can be used again.
    """
    already = _claimed_before(actor, request)
    if already is not None:
        return already

    def work(session: ClientSession) -> User | auth_rules.CodeRefused:
        member = family.require_unclaimed(request.dependent_id, session)
        patient = User.by_mobile([request.mobile_number], session).get(request.mobile_number)
        _ensure_may_receive(member, patient)
        refusal = otp.check([request.guess], session)[request.mobile_number]
        if refusal is not None:  # committed, because a wrong code consumes an attempt
            return refusal
        otp.mark_used([request.guess], session)
        receiver = patient or _register(actor, member, request.mobile_number, session)
        hand_over.hand_over(actor, member, receiver.id, session)
        family.hand_over(actor, member, receiver.id, session)
        return receiver

    with otp.logging_outcome():
        outcome = transaction(work)
        if isinstance(outcome, auth_rules.CodeRefused):
            raise outcome
    log.info("dependent_claimed", dependent_id=str(request.dependent_id), user_id=str(outcome.id))
    return patients.get(outcome.id)


def _claimed_before(actor: Actor, request: Claim) -> User | None:
    """The patient whom an earlier request with the same number made of the member."""
    member = Dependent.by_id([request.dependent_id]).get(request.dependent_id)
    if member is None or member.claimed_by is None:
        return None
    patient = users.get(member.claimed_by)
    if patient.mobile_number != request.mobile_number:
        return None
    audit.record_read(actor, Kind.USER, [patient.id], [patient.id])
    return patient


def _ensure_may_receive(member: Dependent, patient: User | None) -> None:
    if patient is None:
        return
    if patient.id == member.owner:
        raise ValidationFailed.of("mobileNumber", "This is the number of the family; please enter the member's own")
    if patient.role is not Role.PATIENT or not patient.is_active:
        raise ValidationFailed.of("mobileNumber", "The account of this number is deactivated, or one of the staff")


def _register(actor: Actor, member: Dependent, mobile_number: str, session: ClientSession) -> User:
    known = {"date_of_birth": member.date_of_birth, "gender": member.gender}
    patient = users.new_user(Role.PATIENT, mobile_number, member.name, profile=known)
    patient.id, patient.is_verified, patient.created_at = ObjectId(), True, clock.now()
    users.insert(patient, session, by=actor)
    return patient
