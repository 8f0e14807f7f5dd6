"""Use cases around people."""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any

from bson import ObjectId
from mongoengine.base import BaseDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.copies import changed
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import DuplicateValue, FieldError, NotFound, PermissionDenied, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.core.reading import COUNT, Find, Reading, count_in, cut_out
from arthomed.users import rules
from arthomed.users.models import BOOKABLE, DOCTORS, PUBLIC, Condition, DoctorInfo, PatientInfo, User, person

Changes = dict[str, Any]
"""Field names in snake_case to new values, nested as the document is; None clears a field."""

_MOBILE_TAKEN = "Mobile number is already registered"
_BATCH = 500
_PARTS = {"doctor_info": (Role.DOCTOR, DoctorInfo), "patient_info": (Role.PATIENT, PatientInfo)}


def get(user_id: ObjectId, session: ClientSession | None = None) -> User:
    raw = User.collection().find_one({"_id": user_id}, session=session)
    if raw is None:
        raise NotFound
    found: User = User.from_raw(raw)
    return found


def read(actor: Actor, user_id: ObjectId) -> User:
    """Another person's record, for staff; noted in the audit trail."""
    user = get(user_id)
    audit.record_read(actor, Kind.USER, [user_id], [user_id])
    return user


def find_by_mobile(mobile: str) -> User | None:
    raw = User.collection().find_one({"mobileNumber": mobile})
    return None if raw is None else User.from_raw(raw)


def list_users(
    actor: Actor,
    asked: PageRequest,
    *,
    sort: str,
    role: str | None = None,
    search: str | None = None,
    is_active: bool | None = None,
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
    page: Page[User] = users.order_by(sign + field, sign + "id").page(asked)
    found = [user.id for user in page.items]
    audit.record_read(actor, Kind.USER, found, found)
    return page


def list_doctors(
    asked: PageRequest,
    *,
    specialization: str | None = None,
    search: str | None = None,
    among: Find | None = None,
) -> Reading[Page[Raw]]:
    """Doctors who can be booked, by name, as far as everybody may know; `among` keeps those whose ids it finds."""
    where: Raw = {**BOOKABLE}
    if specialization is not None:
        where["doctorInfo.specialization"] = specialization
    if search is not None:
        where["name"] = _contains(search)
    joined = None if among is None else ("among._id", "_id")
    finds = {
        **({} if among is None else {"among": among}),
        "items": Find("users", where, [*cut_out(asked, name=1, _id=1), PUBLIC], joined),
        "total": Find("users", where, COUNT, joined),
    }
    of = (DOCTORS,) if among is None else ()  # that changes with every visit
    return Reading(finds, lambda found: Page.of(found["items"], asked, count_in(found["total"])), of)


def doctor(doctor_id: ObjectId) -> User:
    """A doctor who can be booked."""
    found: User = User.bookable_doctors().require(doctor_id)
    return found


def register(*, role: Role, mobile_number: str, name: str | None = None, by: Actor | None = None, **parts: Any) -> User:
    """Create a person of any role; without a name a placeholder stands in, without `by` it is their own doing.

    Raises:
        DuplicateValue: the mobile number is registered.
        ValidationFailed: the parts don't fit the role.
    """
    user = User(role=Role(role), mobile_number=mobile_number, name=name or rules.placeholder_name(mobile_number))
    _give_parts(user, parts)
    _merge(user, parts)
    with _explained():
        transaction(partial(_insert, user, by))
    return user


def _insert(user: User, by: Actor | None, session: ClientSession) -> None:
    if user.role is Role.DOCTOR:
        changed(DOCTORS)
    user.insert(session)
    audit.record_change(
        by or Actor(user.id, user.role), Action.CREATE, Kind.USER, user.id, subject=user.id, session=session
    )


def update(user_id: ObjectId, changes: Changes, *, by: Actor) -> User:
    """Merge changes into a user's record.

    Raises:
        NotFound: there is no such user.
        DuplicateValue: the mobile number is another's.
        ValidationFailed: the parts don't fit the role, or an admin would take away their own.
    """
    return transaction(lambda session: save_changes(user_id, changes, by=by, session=session))


def save_changes(user_id: ObjectId, changes: Changes, *, by: Actor, session: ClientSession) -> User:
    """As update, within a transaction, whose write conflicts keep two changes from crossing."""
    user = _still_there(user_id, session)
    before = user.to_mongo()
    role = Role(changes.get("role", user.role))
    if role is not user.role and by.user_id == user_id:
        raise ValidationFailed.of("role", "You can't change your own role", role)
    user.role = role
    _give_parts(user, changes)
    _merge(user, {name: value for name, value in changes.items() if name != "role"})
    _save(by, user, before, session)
    return user


def set_active(user_id: ObjectId, *, is_active: bool, reason: str | None, by: Actor, session: ClientSession) -> User:
    """Switch a person on or off, within a transaction.

    Raises:
        NotFound: there is no such person.
        PermissionDenied: admins can't switch themselves off, nor others once they are off themselves.
    """
    if not is_active:
        _ensure_may_deactivate(by, user_id, session)
    user = _still_there(user_id, session)
    before = user.to_mongo()
    user.is_active, user.status_reason = is_active, reason
    _save(by, user, before, session)
    return user


def set_avatar(by: Actor, user_id: ObjectId, filename: str, session: ClientSession) -> None:
    """Note a person's picture, within the transaction that attaches it."""
    user = _still_there(user_id, session)
    before = user.to_mongo()
    user.avatar = filename
    _save(by, user, before, session)


def forget_avatar(user_id: ObjectId, filename: str) -> None:
    """Let a person have no picture where theirs is this one."""
    User.objects(id=user_id, avatar=filename).update(unset__avatar=True, set__updated_at=clock.now())


def forget(user_id: ObjectId, *, keep_until: datetime | None, session: ClientSession) -> None:
    """Anonymise a person; `keep_until` spares what makes a medical record one until then."""
    changed(person(user_id), DOCTORS)  # visits name those, too, who were doctors
    User.forget(user_id, now=clock.now(), keep_until=keep_until, session=session)


def due_to_be_forgotten(now: datetime) -> list[ObjectId]:
    """Who was kept for as long as the law wanted."""
    return list(User.objects(kept_until__lte=now).limit(_BATCH).scalar("id"))


def _save(by: Actor, user: User, before: Raw, session: ClientSession) -> None:
    """Write a person's record as it is now, and into the trail what has changed."""
    changed(person(user.id), *([DOCTORS] if user.doctor_info or "doctorInfo" in before else []))
    user.updated_at = clock.now()
    with _explained():
        user.replace(session)
    changes = audit.differences(before, user.to_mongo())
    audit.record_change(by, Action.CHANGE, Kind.USER, user.id, subject=user.id, session=session, changes=changes)


def _still_there(user_id: ObjectId, session: ClientSession) -> User:
    user = get(user_id, session)
    if user.erased_at is not None:
        raise NotFound("This account was erased")
    return user


def _ensure_may_deactivate(by: Actor, user_id: ObjectId, session: ClientSession) -> None:
    if not rules.may_deactivate(by, user_id):
        raise PermissionDenied("You can't deactivate yourself")
    # Writing to the one who acts keeps two admins from switching each other off at the same moment.
    acting = {"_id": by.user_id, "isActive": True}
    if not User.collection().update_one(acting, {"$set": {"updatedAt": clock.now()}}, session=session).matched_count:
        raise PermissionDenied


def stats() -> dict[str, Any]:
    """How many people there are, by role and by status."""
    counted = {"_id": {"role": "$role", "active": "$isActive"}, "count": {"$sum": 1}}
    through_an_index = {"$sort": {"role": 1, "isActive": 1}}
    rows = User.objects.aggregate([through_an_index, {"$group": counted}])
    by_role = dict.fromkeys(map(str, Role), 0)
    active = 0
    for row in rows:
        by_role[row["_id"]["role"]] += row["count"]
        active += row["count"] if row["_id"]["active"] else 0
    total = sum(by_role.values())
    return {"total": total, "active": active, "inactive": total - active, "by_role": by_role}


def _contains(text: str) -> Changes:
    """A literal, case-blind search: what looks like a pattern in the text is not one; names are kept in NFC."""
    return {"$regex": re.escape(unicodedata.normalize("NFC", text)), "$options": "i"}


def _give_parts(user: User, changes: Changes) -> None:
    """Give a person the part of the record that goes with the role, and refuse another role's."""
    for part, (owner, made) in _PARTS.items():
        if user.role is owner:
            setattr(user, part, getattr(user, part) or made())
        elif part in changes:
            name = User._fields[part].db_field
            raise ValidationFailed([FieldError(name, f"Only a {owner} has this", shows_value=False)])


def _merge(document: BaseDocument, changes: Changes) -> None:
    """Write changes into a document, field by field, so that what is not named stays."""
    for name, value in changes.items():
        if isinstance(value, dict):
            part = getattr(document, name) or document._fields[name].document_type()
            _merge(part, value)
            setattr(document, name, part)
        else:
            setattr(document, name, _stored(name, value))


def _stored(name: str, value: Any) -> Any:
    if isinstance(value, date):
        return clock.midnight_utc(value)
    if name == "medical_history":
        return [Condition(**{key: _stored(key, one) for key, one in row.items()}) for row in value]
    return value


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateValue(_MOBILE_TAKEN) from error
