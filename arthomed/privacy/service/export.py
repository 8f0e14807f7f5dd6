"""Exports everything that is stored about a person as one JSON file."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.auth.models import Session
from arthomed.core import clock, jobs
from arthomed.core.actor import Actor
from arthomed.core.installed import Installed
from arthomed.files.models import File
from arthomed.notifications.models import Notification
from arthomed.payments.models import Payment
from arthomed.payments.service import queries as payments
from arthomed.privacy.models import Export
from arthomed.privacy.service import trail
from arthomed.users import family
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

_MAX_RECORDS_PER_REQUEST = 500  # a request collects them in well under a second; a job exports larger accounts
_RETRY_AFTER = timedelta(minutes=1)
_TTL = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Everything that is stored about a person."""

    exported_at: datetime
    user: User
    dependents: list[Dependent]
    sessions: list[Session]
    appointments: list[Appointment]
    payments: list[Payment]
    files: list[File]
    messages: list[Notification]
    access_log: list[trail.Access]


Serializer = Callable[[PersonalData], str]
"""Returns JSON. arthomed.app sets it, because services do not import the schemas."""

_serializer = Installed[Serializer]("serializer of exports")
use = _serializer.install


def export(actor: Actor, user_id: ObjectId) -> bytes | None:
    """The person's own data as JSON; None while a job generates it, which a large account needs.

    Raises:
        JobsUnavailable: the broker is unavailable; the client may try again.
    """
    if _is_small(user_id):
        _record_export(actor, user_id)
        return _serialize(user_id)
    now = clock.now()
    found = Export.find_current(user_id, now)
    if found is not None and found.content is not None:
        _record_export(actor, user_id)
        return gzip.decompress(found.content)
    if Export.request(user_id, now=now, retry_after=_RETRY_AFTER, ttl=_TTL):
        jobs.enqueue(jobs.Job.EXPORT, str(user_id))
    return None


def prepare(user_id: ObjectId) -> None:
    """Generate a pending export; does nothing if none is pending, so the job may run twice."""
    if Export.is_pending(user_id):
        Export.finish(user_id, gzip.compress(_serialize(user_id)), clock.now() + _TTL)


def _is_small(user_id: ObjectId) -> bool:
    querysets = (
        Appointment.objects(patient_id=user_id),
        Payment.paid_by(user_id),
        Notification.objects(user=user_id),
        AuditEvent.objects(subjects=user_id),
    )
    limit = _MAX_RECORDS_PER_REQUEST
    records: int = sum(queryset.limit(limit).count(with_limit_and_skip=True) for queryset in querysets)
    return records < limit


def _serialize(user_id: ObjectId) -> bytes:
    appointments = list(Appointment.objects(patient_id=user_id).order_by("starts_at"))
    personal_data = PersonalData(
        exported_at=clock.now(),
        user=users.get(user_id),
        dependents=family.all_members(user_id),
        sessions=list(Session.objects(user=user_id, expires_at__gt=clock.now())),
        appointments=Appointment.with_people(appointments),
        payments=payments.of_patient(user_id),
        files=list(File.available().filter(owner=user_id).order_by("id")),
        messages=list(Notification.objects(user=user_id).order_by("created_at")),
        access_log=trail.with_actors(list(AuditEvent.objects(subjects=user_id).order_by("at"))),
    )
    return _serializer.get()(personal_data).encode()


def _record_export(actor: Actor, user_id: ObjectId) -> None:
    audit.record_change(actor, Action.READ, Kind.EXPORT, user_id, subject=user_id, session=None)
