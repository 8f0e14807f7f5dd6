"""Reading users as staff; changes of users that also affect sessions, a doctor's slots or upcoming appointments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE
from arthomed.appointments.service import audit_trail
from arthomed.appointments.service.patients import treats
from arthomed.auth.service import sessions
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users import patients
from arthomed.users import service as users
from arthomed.users.models import User

_MAX_LISTED = 500


@dataclass(frozen=True, slots=True)
class Account:
    """A user; `upcoming` are the upcoming appointments of a doctor who can no longer be booked."""

    user: User
    upcoming: list[Appointment]


def read(actor: Actor, user_id: ObjectId, *, role: Role | None = None) -> User:
    """Read a user's record, with `role` only of such a user; doctors read those of their own patients.

    Raises:
        NotFound: there is no such user, or the user is not one of the doctor's own patients.
    """
    if actor.role is Role.DOCTOR and user_id != actor.user_id and not treats(actor.user_id, user_id):
        raise NotFound
    return users.read(actor, user_id, role=role)


def update(actor: Actor, user_id: ObjectId, changes: users.NewValues) -> Account:
    """Merge changes into a user's record.

    Raises:
        NotFound, DuplicateValue, ValidationFailed: see `users.update`.
    """
    return _change(actor, user_id, partial(users.save_changes, user_id, changes, by=actor))


def update_patient(actor: Actor, patient_id: ObjectId, changes: users.NewValues) -> User:
    """Merge changes into a patient's record.

    Raises:
        NotFound: there is no such user, or the user is no patient.
        DuplicateValue, ValidationFailed: see `users.update`.
    """
    return _change(actor, patient_id, partial(patients.save_changes, patient_id, changes, by=actor)).user


def set_active(actor: Actor, user_id: ObjectId, *, is_active: bool, reason: str | None = None) -> Account:
    """Activate or deactivate a user.

    Raises:
        NotFound: the user does not exist.
        PermissionDenied: admins cannot deactivate themselves.
    """
    return _change(actor, user_id, partial(users.set_active, user_id, is_active=is_active, reason=reason, by=actor))


def _change(actor: Actor, user_id: ObjectId, save: Callable[..., User]) -> Account:
    """Save a change of a user and, in the same transaction, end sessions and block slots.

    Deactivation, a new role and a new mobile number end all sessions. The upcoming slots of a doctor who can no longer
    be booked are blocked, so the list of upcoming appointments is complete.
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
        scheduling.sync_doctor(user_id)  # the fee may be new, or the slots blocked
    return Account(after, [] if after.is_bookable else _upcoming(actor, user_id))


def _upcoming(actor: Actor, doctor_id: ObjectId) -> list[Appointment]:
    upcoming = Appointment.objects(doctor_id=doctor_id, status__in=sorted(ACTIVE), starts_at__gt=clock.now())
    appointments = list(upcoming.order_by("starts_at").limit(_MAX_LISTED))
    audit_trail.record_read(actor, appointments)
    return Appointment.with_people(appointments)
