"""Everything about oneself, in one file."""

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
from arthomed.files.models import File
from arthomed.notifications.models import Notification
from arthomed.privacy.models import Export
from arthomed.privacy.service import trail
from arthomed.users import service as users
from arthomed.users.models import User

_SMALL = 500  # records that a request gathers itself, in well under a second
_ASK_AGAIN_AFTER = timedelta(minutes=1)
_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Everything:
    """All that is stored about a person."""

    exported_at: datetime
    user: User
    sessions: list[Session]
    appointments: list[Appointment]
    files: list[File]
    messages: list[Notification]
    access_log: list[trail.Access]


Renderer = Callable[[Everything], str]
"""Makes JSON of it; the shapes are the routes' and the wiring's business."""

_renderer: Renderer | None = None


def use(renderer: Renderer) -> None:
    global _renderer  # noqa: PLW0603  one a process, set where the parts are put together
    _renderer = renderer


def export(actor: Actor, user_id: ObjectId) -> bytes | None:
    """The person's own data as JSON; None while a job makes it, which is so when it is much.

    Raises:
        JobsUnavailable: the broker is away; to be asked for again.
    """
    if _is_small(user_id):
        _note(actor, user_id)
        return _render(user_id)
    now = clock.now()
    found = Export.of(user_id, now)
    if found is not None and found.content is not None:
        _note(actor, user_id)
        return gzip.decompress(found.content)
    if Export.is_to_be_asked_for(user_id, now=now, again_after=_ASK_AGAIN_AFTER, kept=_KEPT):
        jobs.enqueue(jobs.Job.EXPORT, str(user_id))
    return None


def prepare(user_id: ObjectId) -> None:
    """The job: make an export that is waited for; run twice it does no harm."""
    if Export.is_wanted(user_id):
        Export.finish(user_id, gzip.compress(_render(user_id)), clock.now() + _KEPT)


def _is_small(user_id: ObjectId) -> bool:
    counted = (
        Appointment.objects(patient_id=user_id),
        Notification.objects(user=user_id),
        AuditEvent.objects(subjects=user_id),
    )
    records: int = sum(found.limit(_SMALL).count(with_limit_and_skip=True) for found in counted)
    return records < _SMALL


def _render(user_id: ObjectId) -> bytes:
    if _renderer is None:
        message = "no renderer is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    visits = list(Appointment.objects(patient_id=user_id).order_by("starts_at"))
    everything = Everything(
        exported_at=clock.now(),
        user=users.get(user_id),
        sessions=list(Session.objects(user=user_id, expires_at__gt=clock.now())),
        appointments=Appointment.with_people(visits),
        files=list(File.available().filter(owner=user_id).order_by("id")),
        messages=list(Notification.objects(user=user_id).order_by("created_at")),
        access_log=trail.with_names(list(AuditEvent.objects(subjects=user_id).order_by("at"))),
    )
    return _renderer(everything).encode()


def _note(actor: Actor, user_id: ObjectId) -> None:
    audit.note_change(actor, Action.READ, Kind.EXPORT, user_id, subject=user_id, session=None)
