"""Changes of users that affect their sessions, and a doctor's slots and upcoming appointments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE
from arthomed.appointments.service import trail
from arthomed.auth.service import sessions
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users import service as users
from arthomed.users.models import User

_MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Account:
    """`upcoming` are the appointments of a doctor who can no longer be booked, for the clinic to settle."""

    user: User
    upcoming: list[Appointment]


def update(actor: Actor, user_id: ObjectId, changes: users.Changes) -> Account:
    """Merge changes into a user's record.

    Raises:
        NotFound, DuplicateValue, ValidationFailed: as users.update.
    """
    return _change(actor, user_id, partial(users.save_changes, user_id, changes, by=actor))


def set_active(actor: Actor, user_id: ObjectId, *, is_active: bool, reason: str | None = None) -> Account:
    """Activate or deactivate a user.

    Raises:
        NotFound: there is no such user.
        PermissionDenied: admins cannot deactivate themselves.
    """
    return _change(actor, user_id, partial(users.set_active, user_id, is_active=is_active, reason=reason, by=actor))


def _change(actor: Actor, user_id: ObjectId, save: Callable[..., User]) -> Account:
    """Save a change with its consequences.

    Deactivation and a new role or number end all sessions. The slots of a doctor who can no longer be booked are
    closed in the same transaction, so that the list of upcoming appointments has every one that was booked until then.
    """

    def work(session: ClientSession) -> tuple[User, list[ObjectId]]:
        ended: list[ObjectId] = []
        before, after = users.get(user_id, session), save(session=session)
        if not after.is_active or (before.role, before.mobile_number) != (after.role, after.mobile_number):
            ended = sessions.end_all_sessions(actor, user_id, session)
        if before.is_bookable and not after.is_bookable:
            Slot.block_upcoming(user_id, session=session)
        return after, ended

    after, ended = transaction(work)
    sessions.log_ended(actor, user_id, ended)
    if after.is_bookable:
        scheduling.sync_doctor(user_id)  # a new fee, or opened again
    return Account(after, [] if after.is_bookable else _upcoming(actor, user_id))


def _upcoming(actor: Actor, doctor_id: ObjectId) -> list[Appointment]:
    coming = Appointment.objects(doctor_id=doctor_id, status__in=sorted(ACTIVE), starts_at__gt=clock.now())
    upcoming = list(coming.order_by("starts_at").limit(_MOST_LISTED))
    trail.note_read(actor, upcoming)
    return Appointment.with_people(upcoming)
