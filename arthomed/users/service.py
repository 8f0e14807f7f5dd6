"""Use cases of users: read, list, register, update, deactivate, anonymise."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import DuplicateValue, NotFound, PermissionDenied, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.users import changes, rules
from arthomed.users.models import BOOKABLE, DICTIONARY_ORDER, DOCTORS_TAG, User, user_tag
from arthomed.users.search import Prefixes, by_name, of_user

NewValues = changes.NewValues

MAX_FOUND = 1_000  # matches of a search; a person narrows down what has more
_ANONYMISATION_BATCH = 500


class NumberRegistered(DuplicateValue):
    message = "Mobile number is already registered"


def get(user_id: ObjectId, session: ClientSession | None = None) -> User:
    """Load a user. Raises NotFound."""
    found: User | None = User.find_one({"_id": user_id}, session)
    if found is None:
        raise NotFound
    return found


def read(actor: Actor, user_id: ObjectId, *, role: Role | None = None) -> User:
    """Load a user's record for staff, and note the access in the audit trail; with `role`, only of such a user.

    Raises:
        NotFound: there is no such user, or not with that role.
    """
    user = get(user_id)
    if role not in (None, user.role):
        raise NotFound
    audit.record_read(actor, Kind.USER, [user_id], [user_id])
    return user


def known_addresses(mobile: str, session: ClientSession | None = None) -> list[str] | None:
    """The addresses of the last sign-ins of a number's active user; None if there is no such user."""
    return User.addresses_of(mobile, session)


def find_by_mobile(mobile: str) -> User | None:
    found: User | None = User.find_one({"mobileNumber": mobile})
    return found


def list_users(
    actor: Actor,
    page_request: PageRequest,
    *,
    sort: str,
    role: str | None = None,
    search: str | None = None,
    is_active: bool | None = None,
) -> Page[User]:
    where: Raw = {} if role is None else {"role": role}
    if is_active is not None:
        where["isActive"] = is_active
    is_minimum = False
    if search is not None:
        roles = {"role": {"$in": list(map(str, Role))}}
        where, is_minimum = _only_found({**roles, **where}, of_user(search))
    sort_field = {"name": "name", "createdAt": "created_at"}[sort.removeprefix("-")]
    sign = "-" if sort.startswith("-") else ""
    collation = DICTIONARY_ORDER if sort_field == "name" else None
    users = User.objects(__raw__=where).order_by(sign + sort_field, sign + "id")
    page: Page[User] = users.page(page_request, collation, total_is_minimum=is_minimum)
    user_ids = [user.id for user in page.items]
    audit.record_search(actor, Kind.USER, page_request.filters, found=page.pagination.total)
    audit.record_read(actor, Kind.USER, user_ids, user_ids)
    return page


def list_doctors(
    page_request: PageRequest,
    *,
    specialization: str | None = None,
    search: str | None = None,
    ids: Collection[ObjectId] | None = None,
) -> Page[User]:
    """Doctors who can be booked, by name; `ids` selects some of them."""
    if ids is None:  # else the caller selected them by their free slots, which each booking may change
        cache.depends_on(DOCTORS_TAG)
    where: Raw = {**BOOKABLE}
    if specialization is not None:
        where["doctorInfo.specialization"] = specialization
    if ids is not None:
        where["_id"] = {"$in": list(ids)}
    is_minimum = False
    if search is not None:
        where, is_minimum = _only_found(where, by_name(search))
    doctors = User.objects(__raw__=where).order_by("name", "id")
    page: Page[User] = doctors.page(page_request, DICTIONARY_ORDER, total_is_minimum=is_minimum)
    return page


def _only_found(where: Raw, searched: Sequence[Prefixes]) -> tuple[Raw, bool]:
    """A query for the first matches of a search, and whether there are more."""
    ids = User.matching(where, searched, limit=MAX_FOUND + 1)
    return {"_id": {"$in": ids[:MAX_FOUND]}}, len(ids) > MAX_FOUND


def get_bookable_doctor(doctor_id: ObjectId) -> User:
    """Load a bookable doctor. Raises NotFound."""
    found: User = User.bookable_doctors().require(doctor_id)
    return found


def register(*, role: Role, mobile_number: str, name: str | None = None, by: Actor | None = None, **parts: Any) -> User:
    """Create a user of any role. The default of `name` is a placeholder, the default of `by` is the new user.

    Raises:
        NumberRegistered
        ValidationFailed: a part belongs to another role.
    """
    user = new_user(Role(role), mobile_number, name, **parts)
    with _translate_duplicate_mobile(by, mobile_number):
        transaction(partial(insert, user, by=by))
    return user


def new_user(role: Role, mobile_number: str, name: str | None, **parts: Any) -> User:
    """A user who is not stored yet. Raises ValidationFailed when a part belongs to another role."""
    user = User(role=role, mobile_number=mobile_number, name=name or rules.placeholder_name(mobile_number))
    changes.merge(user, parts)
    return user


def insert(user: User, session: ClientSession, *, by: Actor | None = None) -> None:
    """Store a new user, within a transaction; the default of `by` is the user."""
    if user.role is Role.DOCTOR:
        cache.invalidate(DOCTORS_TAG)
    user.insert(session)
    audit.insert_events([creation_event(user, by or Actor(user.id, user.role))], session)


def creation_event(user: User, by: Actor) -> AuditEvent:
    """The audit event of a new user, to be stored in its transaction."""
    return audit.change_event(by, Action.CREATE, Kind.USER, user.id, subject=user.id)


def update(user_id: ObjectId, new: NewValues, *, by: Actor) -> User:
    """Merge changes into a user's record.

    Raises:
        NotFound: the user does not exist, or was erased.
        DuplicateValue: the mobile number belongs to another user.
        ValidationFailed: a part belongs to another role, or admins would change their own role.
    """
    return transaction(lambda session: save_changes(user_id, new, by=by, session=session))


def save_changes(user_id: ObjectId, new: NewValues, *, by: Actor, session: ClientSession) -> User:
    """Do `update` within a transaction; concurrent changes of one user conflict."""
    user = _require_not_erased(user_id, session)
    before = user.to_mongo()
    role = Role(new.get("role", user.role))
    if role is not user.role and by.user_id == user_id:
        raise ValidationFailed.of("role", "You can't change your own role", role)
    user.role = role
    changes.merge(user, {name: value for name, value in new.items() if name != "role"})
    _save(by, user, before, session)
    return user


def set_active(user_id: ObjectId, *, is_active: bool, reason: str | None, by: Actor, session: ClientSession) -> User:
    """Activate or deactivate a user, within a transaction.

    Raises:
        NotFound: the user does not exist, or was erased.
        PermissionDenied: admins would deactivate themselves, or the admin was deactivated meanwhile.
    """
    if not is_active:
        _ensure_may_deactivate(by, user_id, session)
    user = _require_not_erased(user_id, session)
    before = user.to_mongo()
    user.is_active, user.status_reason = is_active, reason
    _save(by, user, before, session)
    return user


def set_avatar(by: Actor, user_id: ObjectId, filename: str, session: ClientSession) -> None:
    """Set a user's picture, within the transaction that attaches the file."""
    user = _require_not_erased(user_id, session)
    before = user.to_mongo()
    user.avatar = filename
    _save(by, user, before, session)


def remove_avatar(user_id: ObjectId, filename: str) -> None:
    """Remove a user's picture if it is this file."""
    User.objects(id=user_id, avatar=filename).update(unset__avatar=True, set__updated_at=clock.now())


def anonymise(user_id: ObjectId, *, keep_until: datetime | None, session: ClientSession) -> None:
    """Anonymise a user; until `keep_until` the part of the medical record stays."""
    cache.invalidate(user_tag(user_id), DOCTORS_TAG)  # appointments name former doctors, too
    User.anonymise(user_id, now=clock.now(), keep_until=keep_until, session=session)


def due_for_anonymisation(now: datetime) -> list[ObjectId]:
    """Find users whose retention period (`keptUntil`) is over, at most a batch."""
    return list(User.objects(kept_until__lte=now).limit(_ANONYMISATION_BATCH).scalar("id"))


def _save(by: Actor, user: User, before: Raw, session: ClientSession) -> None:
    """Save a user, and note the changed fields in the audit trail."""
    cache.invalidate(user_tag(user.id), *([DOCTORS_TAG] if user.doctor_info or "doctorInfo" in before else []))
    user.updated_at = clock.now()
    with _translate_duplicate_mobile(by, user.mobile_number):
        user.save_changes(session)
    changed = audit.differences(before, user.to_mongo())
    audit.record_change(by, Action.CHANGE, Kind.USER, user.id, subject=user.id, session=session, changes=changed)


def _require_not_erased(user_id: ObjectId, session: ClientSession) -> User:
    user = get(user_id, session)
    if user.erased_at is not None:
        raise NotFound("This account was erased")
    return user


def _ensure_may_deactivate(by: Actor, user_id: ObjectId, session: ClientSession) -> None:
    if not rules.may_deactivate(by, user_id):
        raise PermissionDenied("You can't deactivate yourself")
    # The write to the acting admin makes two admins who deactivate each other at the same moment conflict.
    if not User.touch_active(by.user_id, now=clock.now(), session=session):
        raise PermissionDenied


def stats() -> dict[str, Any]:
    """Count users by role and by status."""
    counts = {"_id": {"role": "$role", "active": "$isActive"}, "count": {"$sum": 1}}
    index_order = {"$sort": {"role": 1, "isActive": 1}}  # so that MongoDB reads the index and not the documents
    rows = User.objects.aggregate([index_order, {"$group": counts}])
    by_role = dict.fromkeys(map(str, Role), 0)
    active = 0
    for row in rows:
        by_role[row["_id"]["role"]] += row["count"]
        active += row["count"] if row["_id"]["active"] else 0
    total = sum(by_role.values())
    return {"total": total, "active": active, "inactive": total - active, "by_role": by_role}


@contextmanager
def _translate_duplicate_mobile(by: Actor | None, mobile_number: str) -> Iterator[None]:
    """Raise NumberRegistered; staff learn from it that a number is registered, which counts as a search for it."""
    try:
        yield
    except DuplicateKeyError as error:
        if by is not None:
            audit.record_search(by, Kind.USER, {"mobileNumber": mobile_number}, found=1)
        raise NumberRegistered from error
