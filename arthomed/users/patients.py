"""Use cases of patients at the desk: search, register, find likely duplicates, change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw
from arthomed.core.errors import DuplicateValue, NotFound, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.users import rules, search
from arthomed.users import service as users
from arthomed.users.models import User

_TOO_SHORT = (
    "Please enter at least two letters of the name, the last four digits of the number, or # and today's token."
)
_MAX_NAMESAKES, _MAX_DUPLICATES = 200, 5
_PATIENTS: Raw = {"role": str(Role.PATIENT)}


@dataclass(frozen=True, slots=True)
class Registration:
    """The user of a number, who is new or was registered before, and other patients who may be the same person."""

    patient: User
    is_new: bool
    possible_duplicates: Sequence[User] = ()


def find(page_request: PageRequest, typed: str, *, own: Collection[ObjectId] | None = None) -> Page[User]:
    """Patients by name or number, the first `users.MAX_FOUND` in the order of the matching words.

    The desk finds patients by the names of their families, too, and a doctor only the `own` ones by their own names.

    Raises:
        ValidationFailed: the search is too short.
    """
    searched = search.of_patient(typed, with_families=own is None)
    if not searched:
        raise ValidationFailed.of("search", _TOO_SHORT, typed)
    where = _PATIENTS if own is None else {**_PATIENTS, "_id": {"$in": list(own)}}
    ids = User.matching(where, searched, limit=users.MAX_FOUND + 1)
    found, offset = ids[: users.MAX_FOUND], page_request.offset
    shown = _load(found[offset : offset + page_request.limit])
    return Page.of(shown, page_request, len(found), total_is_minimum=len(ids) > len(found))


def number_of(typed: str) -> str | None:
    """The ten digits of a whole mobile number, written in any way."""
    return rules.normalise_mobile(typed)


def wrong_number(typed: str) -> ValidationFailed | None:
    """What is wrong with digits that are no mobile number; None if a name is typed."""
    return ValidationFailed.of("mobileNumber", rules.mobile_error(typed), typed) if rules.digits_of(typed) else None


def among(ids: Collection[ObjectId], page_request: PageRequest) -> Page[User]:
    """The patients among a few users, by name."""
    found, offset = sorted(_load(list(ids)), key=lambda patient: patient.name), page_request.offset
    return Page.of(found[offset : offset + page_request.limit], page_request, len(found))


def register(actor: Actor, mobile_number: str, **parts: Any) -> Registration:
    """Register a patient without a code; a registered number is the answer, and no error.

    Parallel calls for one number register one patient.
    """
    try:
        patient = users.register(role=Role.PATIENT, mobile_number=mobile_number, by=actor, **parts)
    except DuplicateValue:
        existing = users.find_by_mobile(mobile_number)
        if existing is None:  # the number was freed in the meantime
            raise
        audit.record_read(actor, Kind.USER, [existing.id], [existing.id])
        return Registration(existing, is_new=False)
    return Registration(patient, is_new=True, possible_duplicates=possible_duplicates(actor, patient))


def possible_duplicates(actor: Actor, patient: User) -> list[User]:
    """Other patients who may be the same person, for staff who decide about it; reading them is recorded."""
    person = _person(patient)
    namesakes: list[ObjectId] = []
    if person.date_of_birth is not None:
        born = {**_PATIENTS, "profile.dateOfBirth": person.date_of_birth}
        namesakes = User.matching(born, search.by_name(person.name), limit=_MAX_NAMESAKES)
    last_digits = person.mobile[-search.MIN_DIGITS :]
    similar = User.matching(_PATIENTS, search.by_last_digits(last_digits), limit=users.MAX_FOUND)
    others = _load(sorted({*namesakes, *similar} - {patient.id}))
    found = [one for one in others if search.may_be_same(_person(one), person)][:_MAX_DUPLICATES]
    ids = [one.id for one in found]
    audit.record_read(actor, Kind.USER, ids, ids)
    return found


def get(patient_id: ObjectId, session: ClientSession | None = None) -> User:
    """Load a patient. Raises NotFound for any other user."""
    patient = users.get(patient_id, session)
    if patient.role is not Role.PATIENT:
        raise NotFound
    return patient


def save_changes(patient_id: ObjectId, new: users.NewValues, *, by: Actor, session: ClientSession) -> User:
    """As `users.save_changes`. Raises NotFound for a user who is no patient."""
    get(patient_id, session)
    return users.save_changes(patient_id, new, by=by, session=session)


def _load(ids: Sequence[ObjectId]) -> list[User]:
    """The few fields of patients that lists show, in the order of the ids."""
    shown = User.objects(id__in=ids, role=Role.PATIENT).only(
        "mobile_number", "name", "role", "is_active", "profile.date_of_birth", "profile.gender"
    )
    found = {one.id: one for one in shown}
    return [found[one] for one in ids if one in found]


def _person(user: User) -> search.Person:
    return search.Person(user.name, user.mobile_number, user.profile.date_of_birth)
