"""Who is at the desk or on the phone, by number or name; what they have today; and the booking for them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bson import ObjectId

from arthomed.appointments.service import desk, offers
from arthomed.appointments.service.desk import DeskBooked, DeskBooking
from arthomed.appointments.service.offers import Offer
from arthomed.appointments.stages import Stage
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.frontdesk import walk_ins
from arthomed.frontdesk.service import day, families, steps
from arthomed.frontdesk.service import patients as desk_patients
from arthomed.frontdesk.service.day import DoctorOfDay, Item
from arthomed.frontdesk.service.steps import Action
from arthomed.frontdesk.walk_ins import Candidate
from arthomed.users import patients
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User
from arthomed.users.search import by_last_digits

_MAX_FOUND = 8
_BEING_SEEN = (Stage.CALLED, Stage.IN_PROGRESS)


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


@dataclass(frozen=True, slots=True)
class Today:
    """The queues of all doctors; what the family has today, and who of them can be marked as arrived."""

    doctors: Sequence[DoctorOfDay]
    items: Sequence[Item] = ()
    may_arrive: Collection[ObjectId] = ()


def find(actor: Actor, mobile_number: str) -> Caller:
    """Find who has a number.

    Raises:
        NotFound: the account is deactivated.
    """
    user = desk.find_by_mobile(actor, mobile_number)
    return Caller(mobile_number) if user is None else _with_family(actor, user)


def get(actor: Actor, user_id: ObjectId) -> Caller:
    """As `find`, of a user who is known.

    Raises:
        NotFound: there is no such user, or the account is deactivated.
    """
    user = users.get(user_id)
    if not user.is_active:
        raise NotFound("The account of this number is deactivated")
    return _with_family(actor, user)


def look_up(actor: Actor, typed: str) -> Caller | Page[User]:
    """Find who has a number, written in any way; anything else is a search of patients.

    Raises:
        NotFound: the account of the number is deactivated.
        ValidationFailed: nobody has such a part of a number; see `search`, too.
    """
    mobile = patients.number_of(typed)
    if mobile is not None:
        return find(actor, mobile)
    wrong_number = patients.wrong_number(typed)
    if wrong_number is not None and not by_last_digits(typed):
        raise wrong_number
    found = search(actor, typed)
    if wrong_number is not None and not found.items:
        raise wrong_number
    return found


def suggest(actor: Actor, typed: str) -> Page[User] | None:
    """As `search`, while somebody types: None for a whole number, and for too little."""
    try:
        return None if patients.number_of(typed) else search(actor, typed)
    except ValidationFailed:
        return None


def search(actor: Actor, typed: str) -> Page[User]:
    """The first patients by name, also of the family, last digits of the number, or token of today.

    Raises:
        ValidationFailed: the search is too short, or the token is no number.
    """
    return desk_patients.search(actor, PageRequest(limit=_MAX_FOUND, filters={"search": typed}), typed)


def _with_family(actor: Actor, user: User) -> Caller:
    audit.record_read(actor, Kind.USER, [user.id], [user.id])
    members = families.members(actor, user.id) if user.role is Role.PATIENT else []
    return Caller(user.mobile_number, user, members, offers.usual_doctor(user.id))


def today(actor: Actor, caller: Caller) -> Today:
    """The day as the desk needs it for a caller."""
    date = clock.today(settings().policy.timezone)
    if caller.user is None:
        return Today(day.doctors_of(date))
    found = day.of_patient(actor, date, caller.user.id)
    possible = steps.possible(actor, found, clock.now())
    return Today(found.doctors, found.items, {one for one, actions in possible.items() if Action.ARRIVE in actions})


def queues() -> list[DoctorOfDay]:
    """The doctors of today with the counts of their queues."""
    return day.doctors_of(clock.today(settings().policy.timezone))


def offer_to_walk_in(doctors: Sequence[User], queues: Sequence[DoctorOfDay]) -> Candidate[Offer] | None:
    """The place among some doctors' for a patient who walked in; see `walk_ins.choose`."""
    counts = {doctor.id: doctor.counts for doctor in queues}
    return walk_ins.choose((_candidate(one, counts) for one in offers.for_walk_ins(doctors)), clock.now())


def _candidate(offer: Offer, counts: Mapping[ObjectId, Mapping[str, int]]) -> Candidate[Offer]:
    of_doctor = counts.get(offer.doctor.id, {})
    return Candidate(offer, of_doctor.get(Stage.WAITING, 0), sum(of_doctor.get(stage, 0) for stage in _BEING_SEEN))


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
