"""Displays in waiting rooms: their keys, and what they show."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import sha256

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.stages import Stage
from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.frontdesk import days
from arthomed.frontdesk.models import DisplayKey, Room
from arthomed.frontdesk.service import lines
from arthomed.users.models import User

log = structlog.get_logger()

_KEY_BYTES = 32
_SHOWN = frozenset({Stage.CALLED, Stage.IN_PROGRESS, Stage.WAITING, Stage.SKIPPED})


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key; `key` is shown this once."""

    display_key: DisplayKey
    key: str


@dataclass(frozen=True, slots=True)
class TokenOnDisplay:
    token: int
    room: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Display:
    date: date
    items: list[TokenOnDisplay]


def list_keys() -> list[DisplayKey]:
    return list(DisplayKey.objects.order_by("id"))


def create_key(actor: Actor, name: str, rooms: Sequence[Room]) -> NewKey:
    """Make a key for a display of some rooms.

    Raises:
        NotFound: one of the doctors does not exist.
    """
    doctors = {room.doctor for room in rooms}
    if User.objects(id__in=list(doctors), role=Role.DOCTOR).count() < len(doctors):
        raise NotFound("Doctor not found")
    key = secrets.token_urlsafe(_KEY_BYTES)
    stored = DisplayKey(
        id=ObjectId(), name=name, digest=_digest(key), rooms=list(rooms), created_by=actor.signed_in_user_id
    )
    transaction(partial(_insert, actor, stored))
    log.info("display_key_created", display_key_id=str(stored.id))
    return NewKey(stored, key)


def revoke_key(actor: Actor, key_id: ObjectId) -> None:
    """End a key at once. Raises NotFound."""
    transaction(partial(_revoke, actor, key_id))
    log.info("display_key_revoked", display_key_id=str(key_id))


def find_key(key: str) -> DisplayKey | None:
    found: DisplayKey | None = DisplayKey.objects(digest=_digest(key)).first()
    return found


def show(display_key: DisplayKey) -> Display:
    """The tokens of today of those who are in the rooms or wait for them; nothing else about anybody."""
    today = clock.today(settings().policy.timezone)
    arrived = days.of_day(today).filter(
        doctor_id__in=[room.doctor for room in display_key.rooms], queue__arrived_at__ne=None
    )
    queues = lines.by_doctor(arrived.only("doctor_id", "status", "slot", "starts_at", "ends_at", "queue"))
    items = [
        TokenOnDisplay(entry.appointment.queue.token, room.room, entry.stage)
        for room in display_key.rooms
        for entry in queues.get(room.doctor, [])
        if entry.stage in _SHOWN
    ]
    return Display(today, items)


def _digest(key: str) -> str:
    """The stored form of a key: a copy of the database alone opens no display."""
    return hmac.digest(settings().otp_secret.encode(), f"display key:{key}".encode(), sha256).hex()


def _insert(actor: Actor, stored: DisplayKey, session: ClientSession) -> None:
    stored.insert(session)
    _record(actor, Action.CREATE, stored.id, session)


def _revoke(actor: Actor, key_id: ObjectId, session: ClientSession) -> None:
    if not DisplayKey.revoke(key_id, session):
        raise NotFound
    _record(actor, Action.DELETE, key_id, session)


def _record(actor: Actor, action: Action, key_id: ObjectId, session: ClientSession) -> None:
    audit.record_change(actor, action, Kind.DISPLAY_KEY, key_id, subject=actor.signed_in_user_id, session=session)
