"""Use cases of families: the dependents whom a user books for with one mobile number."""

from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import DuplicateValue, NotFound, ValidationFailed
from arthomed.users import changes
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import ERASED_NAME, User, user_tag

MAX_MEMBERS = 20
_SAME_MEMBER = "The family has a member with this name and date of birth"


class MemberNotFound(NotFound):
    message = "Family member not found"


@dataclass(frozen=True, slots=True)
class Added:
    """A member of a family, who is new or was in it before."""

    dependent: Dependent
    is_new: bool


def members(owner: ObjectId) -> list[Dependent]:
    """The active members of a user's family, by name."""
    return list(Dependent.objects(owner=owner, is_active=True).order_by("name", "id"))


def all_members(owner: ObjectId) -> list[Dependent]:
    """All members whom a user's family ever had, by id, without those who are patients of their own now."""
    return list(Dependent.objects(owner=owner, claimed_by=None).order_by("id"))


def require(owner: ObjectId, dependent_id: ObjectId) -> Dependent:
    """A member whom a user's family has, or had before. Raises MemberNotFound."""
    found = Dependent.by_id([dependent_id]).get(dependent_id)
    if found is None or found.owner != owner:
        raise MemberNotFound
    return found


def add(actor: Actor, owner: ObjectId, parts: dict[str, Any]) -> Added:
    """Add a member to a user's family; one with the same name and date of birth is the answer, and no error.

    A date of birth that one of them lacks makes no difference, and is stored. A removed member comes back.

    Raises:
        NotFound: the user does not exist, or is deactivated.
        ValidationFailed: the family has `MAX_MEMBERS` members, or several members of this name.
    """

    def work(session: ClientSession) -> Added:
        family = _active_members(owner, session)
        member = Dependent(id=ObjectId(), owner=owner)
        changes.assign(member, parts)
        same = _only_one(Dependent.same_as(member, session))
        if same is not None and same.is_active and (same.date_of_birth or not member.date_of_birth):
            return Added(same, is_new=False)
        is_new = same is None or not same.is_active
        if is_new and len(family) >= MAX_MEMBERS:
            raise ValidationFailed.of("name", f"A family can have at most {MAX_MEMBERS} members")
        if same is None:
            member.insert(session)
            _record(actor, Action.CREATE, member, session)
        else:
            member = _renew(actor, same, parts, session)
        _store_names(owner, [*(one for one in family if one.id != member.id), member], session)
        return Added(member, is_new)

    return transaction(work)


def update(actor: Actor, owner: ObjectId, dependent_id: ObjectId, new: dict[str, Any]) -> Dependent:
    """Change a member of a user's family; None clears a field.

    Raises:
        NotFound: the user does not exist or is deactivated, or the family has no such member.
        DuplicateValue: the family has another member with this name and date of birth.
    """

    def work(session: ClientSession) -> Dependent:
        family = _active_members(owner, session)
        member = _require(family, dependent_id)
        before = member.to_mongo()
        changes.assign(member, new)
        if any(one.is_active for one in Dependent.same_as(member, session)):
            raise DuplicateValue(_SAME_MEMBER)
        member.updated_at = clock.now()
        member.save_changes(session)
        _store_names(owner, family, session)
        _record(actor, Action.CHANGE, member, session, audit.differences(before, member.to_mongo()))
        return member

    return transaction(work)


def remove(actor: Actor, owner: ObjectId, dependent_id: ObjectId) -> None:
    """Remove a member from a user's family; their appointments stay.

    Raises:
        NotFound: the user does not exist or is deactivated, or the family has no such member.
    """

    def work(session: ClientSession) -> None:
        family = _active_members(owner, session)
        member = _require(family, dependent_id)
        _leave(member, family, session)
        _record(actor, Action.DELETE, member, session)

    transaction(work)


def ensure_active_member(member: Dependent | None, owner: ObjectId) -> None:
    """Raises MemberNotFound unless it is an active member of the user's family."""
    if member is None or not member.is_active or member.owner != owner:
        raise MemberNotFound


def require_unclaimed(dependent_id: ObjectId, session: ClientSession) -> Dependent:
    """A member of any family, or one who was removed from it, within a transaction. Raises MemberNotFound."""
    found = Dependent.by_id([dependent_id], session).get(dependent_id)
    if found is None or found.claimed_by is not None:
        raise MemberNotFound
    return found


def hand_over(actor: Actor, member: Dependent, patient: ObjectId, session: ClientSession) -> None:
    """Note that a member is the patient of a mobile number from now on, and leaves the family."""
    member.claimed_by = patient
    member.forget()
    _leave(member, Dependent.find_all({"owner": member.owner, "isActive": True}, session), session)
    changed = [{"field": "claimedBy", "from": None, "to": patient}]
    _record(actor, Action.CHANGE, member, session, changed)


def _leave(member: Dependent, family: list[Dependent], session: ClientSession) -> None:
    """Make a member of a family inactive, within a transaction."""
    member.is_active, member.updated_at = False, clock.now()
    member.save_changes(session)
    _store_names(member.owner, [one for one in family if one.id != member.id], session)


def erase(owner: ObjectId, *, keeps_record: bool, session: ClientSession) -> None:
    """Erase a user's family with the user; with `keeps_record`, the members' part of the medical record stays."""
    Dependent.anonymise(owner, None if keeps_record else ERASED_NAME, session=session)


def _active_members(owner: ObjectId, session: ClientSession) -> list[Dependent]:
    """The active members of the family of an active user.

    Raises:
        NotFound: there is no such user.
    """
    if not users.get(owner, session).is_active:
        raise NotFound
    found: list[Dependent] = Dependent.find_all({"owner": owner, "isActive": True}, session)
    return found


def _only_one(same: list[Dependent]) -> Dependent | None:
    """The member who is meant: the only one, or the only active one."""
    active = [one for one in same if one.is_active]
    if len(active) > 1:
        raise ValidationFailed.of(
            "dateOfBirth", "Several family members have this name; please enter the date of birth"
        )
    return next(iter(same), None)


def _renew(actor: Actor, member: Dependent, parts: dict[str, Any], session: ClientSession) -> Dependent:
    """Store what is new about a member, who belongs to the family again."""
    before = member.to_mongo()
    changes.assign(member, parts)
    member.is_active, member.updated_at = True, clock.now()
    member.save_changes(session)
    _record(actor, Action.CHANGE, member, session, audit.differences(before, member.to_mongo()))
    return member


def _require(family: list[Dependent], dependent_id: ObjectId) -> Dependent:
    for one in family:
        if one.id == dependent_id:
            return one
    raise MemberNotFound


def _store_names(owner: ObjectId, family: list[Dependent], session: ClientSession) -> None:
    """Store by which names a family is searched; the write makes changes of the family and its bookings conflict.

    An erased user is not searched, and books no more.
    """
    cache.invalidate(user_tag(owner))
    user: User = users.get(owner, session)
    if user.erased_at is not None:
        return
    user.family_names, user.updated_at = sorted(one.name for one in family), clock.now()
    user.save_changes(session)


def _record(
    actor: Actor, action: Action, member: Dependent, session: ClientSession, changed: list[Raw] | None = None
) -> None:
    kind, subject = Kind.DEPENDENT, member.owner
    audit.record_change(actor, action, kind, member.id, subject=subject, session=session, changes=changed or [])
