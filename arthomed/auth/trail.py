"""What of signing in and out goes into the audit trail, and into the log for those who watch the clinic."""

from collections.abc import Sequence

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.auth.models import Session
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import Raw
from arthomed.core.errors import ClinicError
from arthomed.core.permissions import Role

log = structlog.get_logger()

_SPENT_TOKEN = {"field": "reason", "from": None, "to": "spent refresh token"}


def of_signing_in(opened: Raw) -> Raw:
    """The event of a new session, as stored; to be noted with it."""
    return audit.change_event(
        Actor(opened["user"], Role(opened["role"]), opened["_id"]),
        Action.CREATE,
        Kind.SESSION,
        opened["_id"],
        subject=opened["user"],
        changes=[{"field": "platform", "from": None, "to": opened["platform"]}],
    )


def tell_signed_in(opened: Raw) -> None:
    who = {"user_id": str(opened["user"]), "session_id": str(opened["_id"])}
    log.info("signed_in", **who, platform=str(opened["platform"]))


def tell_refused(error: ClinicError) -> None:
    log.info("code_refused", code=str(error.code))


def note_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId], session: ClientSession) -> None:
    """One event, however many they are."""
    if ended:
        audit.record_change(actor, Action.DELETE, Kind.SESSION, *ended, subject=user_id, session=session)


def tell_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId]) -> None:
    if ended:
        log.info("sessions_ended", user_id=str(user_id), by=str(actor.user_id), count=len(ended))


def note_reuse(reused: Session, session: ClientSession) -> None:
    """A spent refresh token ended the session that it was of."""
    audit.record_change(
        SYSTEM,
        Action.DELETE,
        Kind.SESSION,
        reused.id,
        subject=reused.user,
        session=session,
        changes=[_SPENT_TOKEN],
    )


def tell_reuse(reused: Session) -> None:
    log.warning("refresh_token_reused", user_id=str(reused.user), session_id=str(reused.id))
