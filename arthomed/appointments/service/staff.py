"""Switching people on and off, which reaches their sessions and a doctor's coming visits."""

from dataclasses import dataclass

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE
from arthomed.auth import service as auth
from arthomed.core import clock, jobs
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import User

_MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Switched:
    """`upcoming` are the coming visits of a doctor who was switched off, for the clinic to settle."""

    user: User
    upcoming: list[Appointment]


def set_active(actor: Actor, user_id: ObjectId, *, is_active: bool, reason: str | None = None) -> Switched:
    """Switch a person on or off; off ends their sessions in the same transaction.

    Raises:
        NotFound: there is no such person.
        PermissionDenied: admins can't switch themselves off.
    """
    if not is_active:
        users.ensure_may_deactivate(actor, user_id)

    def work(session: ClientSession) -> None:
        users.set_active(user_id, is_active=is_active, reason=reason, session=session)
        if not is_active:
            auth.end_all_sessions(user_id, session)

    transaction(work)
    user = users.get(user_id)
    if is_active and user.role is Role.DOCTOR:
        jobs.enqueue_or_leave(jobs.Job.SYNC_SLOTS, str(user_id))
    return Switched(user, [] if is_active else _upcoming(user_id))


def _upcoming(doctor_id: ObjectId) -> list[Appointment]:
    coming = Appointment.objects(doctor_id=doctor_id, status__in=sorted(ACTIVE), starts_at__gt=clock.now())
    return Appointment.with_people(list(coming.order_by("starts_at").limit(_MOST_LISTED)))
