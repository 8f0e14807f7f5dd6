"""Sessions of signed-in devices: refreshed, checked on each request, listed and ended."""

from collections.abc import Collection, Sequence
from datetime import datetime

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.auth import rules
from arthomed.auth.models import Session
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.cache import Versions
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.users.models import User

log = structlog.get_logger()

_REUSED_TOKEN = {"field": "reason", "from": None, "to": "spent refresh token"}


def new_session(user: User, **device: str | None) -> Session:
    """A session of a user that is not stored yet."""
    now = clock.now()
    return Session(
        user=user.id,
        role=user.role,
        created_at=now,
        rotated_at=now,
        expires_at=_session_end(user.role, signed_in_at=now, now=now),
        last_used_at=now,
        **device,
    )


def _session_end(role: Role, *, signed_in_at: datetime, now: datetime) -> datetime:
    lifetime, staff_lifetime = settings().refresh_token_lifetime, settings().staff_session_lifetime
    return rules.session_end(role, signed_in_at=signed_in_at, now=now, lifetime=lifetime, staff_lifetime=staff_lifetime)


def refresh(session_id: ObjectId, generation: int) -> Session:
    """Exchange a refresh token; returns the session, from which the new tokens are signed.

    Rotation is one conditional update. The generation before the current one gives the current tokens again, without
    rotating, because a response that was lost on the way must not sign the user out: for 30 seconds, and for as long as
    none of the current tokens was used. Any other token was stolen or copied, so the whole session ends (RFC 9700
    section 4.14.2).

    Raises:
        SessionRevoked: the session has ended, or the token was used before.
    """
    now = clock.now()
    session = _live(session_id, now)
    expires_at = _session_end(session.role, signed_in_at=session.created_at, now=now)
    rotated = Session.rotate(session_id, generation, now=now, expires_at=expires_at, address=origin.current().address)
    if rotated is not None:
        if expires_at <= now:  # older sessions of staff were opened without an absolute end
            raise rules.SessionRevoked
        return rotated
    session = _live(session_id, now)  # another request may have rotated it meanwhile
    is_unused = session.unused_generation == session.generation
    if generation == session.generation - 1 and (is_unused or now - session.rotated_at <= rules.REFRESH_GRACE):
        return session
    _end_reused(session)
    raise rules.SessionRevoked


def _live(session_id: ObjectId, now: datetime) -> Session:
    """A session that has not ended. Raises SessionRevoked."""
    session: Session | None = Session.objects(id=session_id, expires_at__gt=now).first()
    if session is None:
        raise rules.SessionRevoked
    return session


def _end_reused(reused: Session) -> None:
    transaction(lambda session: _end(session, SYSTEM, reused.user, changes=[_REUSED_TOKEN], _id=reused.id))
    log.warning("refresh_token_reused", user_id=str(reused.user), session_id=str(reused.id))


def find_actor(
    user_id: ObjectId, session_id: ObjectId, generation: int | None, cache_tags: Collection[str]
) -> tuple[Actor, Versions, datetime | None]:
    """The actor behind an access token, the versions of cache tags, and the last input on a page, in one round trip.

    Every few minutes it also notes when and from where the device was last used, and once for each rotation that the
    new access token was used.

    Raises:
        SessionRevoked, UserInactive, UserNotFound: why the token is of no use any more.
    """
    now = clock.now()
    live = Session.find_live(session_id, user_id, now=now, cache_tags=cache_tags)
    if live is None:
        user: User | None = User.objects(id=user_id).only("is_active").first()
        if user is None:
            raise rules.UserNotFound
        raise rules.SessionRevoked if user.is_active else rules.UserInactive
    if live.last_used_at < now - rules.USE_NOTED_AFTER:
        Session.note_use(session_id, now=now, address=origin.current().address)
    if generation is not None and generation == live.unused_generation:
        Session.note_first_use(session_id, generation, now=now)
    return Actor(user_id, live.role, session_id), live.tag_versions, live.last_input_at


def note_input(actor: Actor) -> None:
    """Note that somebody does something on a page of the dashboard, which is locked when nobody does."""
    Session.note_input(_own(actor), now=clock.now())


def lock_screen(actor: Actor) -> None:
    """Lock the pages of the dashboard at once, in all windows of the session."""
    Session.set_locked(_own(actor), is_locked=True, now=clock.now())


def unlock_screen(actor: Actor) -> None:
    """Open the pages again, after a new code was entered."""
    Session.set_locked(_own(actor), is_locked=False, now=clock.now())


def _own(actor: Actor) -> ObjectId:
    assert actor.session_id is not None  # noqa: S101  every signed-in actor has one
    return actor.session_id


def sessions_of(actor: Actor) -> list[Session]:
    return list(Session.objects(user=actor.user_id, expires_at__gt=clock.now()).order_by("-last_used_at"))


def store_push_token(session_id: ObjectId, token: str) -> None:
    """Store the push token of a session's device, so that it gets notifications about appointments.

    Raises:
        SessionRevoked: the session has ended.
    """
    if not transaction(lambda session: Session.store_push_token(session_id, token, now=clock.now(), session=session)):
        raise rules.SessionRevoked


def push_tokens(user_id: ObjectId) -> list[str]:
    """The push tokens of the few devices that the user used last, latest first."""
    found = Session.objects(user=user_id, expires_at__gt=clock.now(), push_token__exists=True)
    return [session.push_token for session in found.order_by("-last_used_at").limit(rules.MAX_PUSH_DEVICES)]


def with_push_tokens(user_ids: Collection[ObjectId]) -> set[ObjectId]:
    """The users among these who have a device with a push token."""
    return Session.with_push_tokens(user_ids, clock.now())


def forget_push_token(token: str) -> None:
    """Remove the token of a device that has uninstalled the app."""
    Session.objects(push_token=token).update(unset__push_token=True)


def log_out(user_id: ObjectId, session_id: ObjectId) -> bool:
    """End the session of a token; False when it has ended already."""
    found: Session | None = Session.objects(id=session_id, user=user_id).only("role").first()
    if found is None:
        return False
    actor = Actor(user_id, found.role, session_id)
    ended = transaction(lambda session: _end(session, actor, user_id, _id=session_id))
    log_ended(actor, user_id, ended)
    return bool(ended)


def end_session(actor: Actor, session_id: ObjectId) -> None:
    """Sign one of the caller's devices out.

    Raises:
        NotFound: the caller has no such device.
    """
    user_id = actor.signed_in_user_id
    ended = transaction(lambda session: _end(session, actor, user_id, _id=session_id))
    if not ended:
        raise NotFound
    log_ended(actor, user_id, ended)


def end_all_sessions(actor: Actor, user_id: ObjectId, session: ClientSession | None = None) -> list[ObjectId]:
    """End all sessions of a user; within a transaction of the caller, who calls `log_ended` after its commit."""
    if session is not None:
        return _end(session, actor, user_id)
    ended = transaction(lambda own: _end(own, actor, user_id))
    log_ended(actor, user_id, ended)
    return ended


def log_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId]) -> None:
    """Log the end of sessions, after the commit."""
    if ended:
        log.info("sessions_ended", user_id=str(user_id), by=str(actor.user_id), count=len(ended))


def _end(
    session: ClientSession, actor: Actor, user_id: ObjectId, *, changes: Sequence[Raw] = (), **which: ObjectId
) -> list[ObjectId]:
    """Remove sessions, and record one audit event for all of them."""
    ended = Session.end(session, user_id, **which)
    if ended:
        audit.record_change(
            actor, Action.DELETE, Kind.SESSION, *ended, subject=user_id, session=session, changes=changes
        )
    return ended
