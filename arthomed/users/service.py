"""Use cases around people."""

import re
from datetime import date
from typing import Any

from bson import ObjectId
from mongoengine.errors import NotUniqueError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.core import clock, jobs
from arthomed.core.actor import Actor
from arthomed.core.errors import DuplicateValue, NotFound, PermissionDenied, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.users import rules
from arthomed.users.models import Condition, DoctorInfo, PatientInfo, User

Changes = dict[str, Any]
"""Field names in snake_case to new values, nested as the document is; None clears a field."""

_MOBILE_TAKEN = "Mobile number is already registered"


def get(user_id: ObjectId) -> User:
    found: User = User.objects.require(user_id)
    return found


def find_by_mobile(mobile: str) -> User | None:
    found: User | None = User.objects(mobile_number=mobile).first()
    return found


def list_users(
    asked: PageRequest, *, sort: str, role: str | None = None, search: str | None = None, is_active: bool | None = None
) -> Page[User]:
    users = User.objects
    if role is not None:
        users = users.filter(role=Role(role))
    if is_active is not None:
        users = users.filter(is_active=is_active)
    if search is not None:
        users = users.filter(__raw__={"$or": [{name: _contains(search)} for name in ("name", "mobileNumber", "email")]})
    field = {"name": "name", "createdAt": "created_at"}[sort.removeprefix("-")]
    sign = "-" if sort.startswith("-") else ""
    page: Page[User] = users.order_by(sign + field, "id").page(asked)
    return page


def list_doctors(
    asked: PageRequest,
    *,
    specialization: str | None = None,
    search: str | None = None,
    among: list[ObjectId] | None = None,
) -> Page[User]:
    """Doctors who can be booked, by name; `among` keeps only those of these ids."""
    doctors = User.bookable_doctors()
    if specialization is not None:
        doctors = doctors.filter(doctor_info__specialization=specialization)
    if search is not None:
        doctors = doctors.filter(__raw__={"name": _contains(search)})
    if among is not None:
        doctors = doctors.filter(id__in=among)
    page: Page[User] = doctors.order_by("name", "id").page(asked)
    return page


def doctor(doctor_id: ObjectId) -> User:
    """A doctor who can be booked."""
    found: User = User.bookable_doctors().require(doctor_id)
    return found


def register(**wanted: Any) -> User:
    """Create a person of any role.

    Raises:
        DuplicateValue: the mobile number is registered.
        ValidationFailed: the parts don't fit the role.
    """
    role = Role(wanted.pop("role"))
    _ensure_parts_fit(role, wanted)
    mobile, name = wanted.pop("mobile_number"), wanted.pop("name", None)
    user = User(role=role, mobile_number=mobile, name=name or rules.placeholder_name(mobile))
    if role is Role.DOCTOR:
        user.doctor_info = DoctorInfo()
    if role is Role.PATIENT:
        user.patient_info = PatientInfo()
    for name, value in _flattened(wanted).items():
        *parents, last = name.split("__")
        target: Any = user
        for parent in parents:
            if getattr(target, parent) is None:
                setattr(target, parent, target._fields[parent].document_type())
            target = getattr(target, parent)
        setattr(target, last, value)
    try:
        user.insert()
    except DuplicateKeyError as error:
        raise DuplicateValue(_MOBILE_TAKEN) from error
    return user


def update(user_id: ObjectId, changes: Changes, *, by: Actor) -> User:
    """Merge changes into a user's record, in one atomic update.

    Raises:
        NotFound: there is no such user.
        DuplicateValue: the mobile number is another's.
        ValidationFailed: the parts don't fit the role, or an admin would take away their own.
    """
    user = get(user_id)
    role = Role(changes.get("role", user.role))
    if role is not user.role and by.user_id == user_id:
        raise ValidationFailed.of("role", "You can't change your own role", role)
    _ensure_parts_fit(role, changes)
    updates: dict[str, Any] = {
        f"unset__{name}" if value is None else f"set__{name}": True if value is None else value
        for name, value in _flattened(changes).items()
    }
    if role is Role.DOCTOR and user.doctor_info is None and not changes.get("doctor_info"):
        updates["set__doctor_info"] = DoctorInfo()
    try:
        updated: User | None = User.objects(id=user_id).modify(new=True, set__updated_at=clock.now(), **updates)
    except NotUniqueError as error:
        raise DuplicateValue(_MOBILE_TAKEN) from error
    if updated is None:
        raise NotFound
    if "doctor_info" in changes:
        jobs.enqueue_or_leave(jobs.Job.SYNC_SLOTS, str(user_id))
    return updated


def ensure_may_deactivate(actor: Actor, user_id: ObjectId) -> None:
    """Raises PermissionDenied for oneself, so that the clinic never locks its last admin out."""
    if not rules.may_deactivate(actor, user_id):
        raise PermissionDenied("You can't deactivate yourself")


def set_active(user_id: ObjectId, *, is_active: bool, reason: str | None, session: ClientSession) -> None:
    """Switch a person on or off; part of a transaction that also ends their sessions."""
    changes = {"isActive": is_active, "statusReason": reason, "updatedAt": clock.now()}
    found = User.collection().update_one({"_id": user_id}, {"$set": changes}, session=session)
    if not found.matched_count:
        raise NotFound


def stats() -> dict[str, Any]:
    """How many people there are, by role and by status."""
    rows = User.objects.aggregate([{"$group": {"_id": {"role": "$role", "active": "$isActive"}, "count": {"$sum": 1}}}])
    by_role = dict.fromkeys(map(str, Role), 0)
    active = 0
    for row in rows:
        by_role[row["_id"]["role"]] += row["count"]
        active += row["count"] if row["_id"]["active"] else 0
    total = sum(by_role.values())
    return {"total": total, "active": active, "inactive": total - active, "by_role": by_role}


def _contains(text: str) -> Changes:
    """A literal, case-blind search: what looks like a pattern in the text is not one."""
    return {"$regex": re.escape(text), "$options": "i"}


def _ensure_parts_fit(role: Role, changes: Changes) -> None:
    for part, owner in (("doctor_info", Role.DOCTOR), ("patient_info", Role.PATIENT)):
        if part in changes and role is not owner:
            name = {"doctor_info": "doctorInfo", "patient_info": "patientInfo"}[part]
            raise ValidationFailed.of(name, f"Only a {owner} has this")


def _flattened(changes: Changes, prefix: str = "") -> Changes:
    """Nested changes as MongoEngine's double-underscore paths, so that merging keeps what is not named."""
    flat: Changes = {}
    for name, value in changes.items():
        if isinstance(value, dict):
            flat |= _flattened(value, f"{prefix}{name}__")
        else:
            flat[prefix + name] = _stored(name, value)
    return flat


def _stored(name: str, value: Any) -> Any:
    if isinstance(value, date):
        return clock.midnight_utc(value)
    if name == "medical_history":
        return [Condition(**{key: _stored(key, one) for key, one in row.items()}) for row in value]
    return value
