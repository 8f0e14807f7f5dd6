"""The audit events and log lines of signing in and out."""

from collections.abc import Sequence

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.auth.models import Session
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.errors import ClinicError

log = structlog.get_logger()

_SPENT_TOKEN = {"field": "reason", "from": None, "to": "spent refresh token"}


def sign_in_event(opened: Session) -> AuditEvent:
    """The audit event of a new session, to be stored in its transaction."""
    return audit.change_event(
        Actor(opened.user, opened.role, opened.id),
        Action.CREATE,
        Kind.SESSION,
        opened.id,
        subject=opened.user,
        changes=[{"field": "platform", "from": None, "to": opened.platform}],
    )


def log_signed_in(opened: Session) -> None:
    log.info("signed_in", user_id=str(opened.user), session_id=str(opened.id), platform=str(opened.platform))


def log_refused_code(error: ClinicError) -> None:
    log.info("code_refused", code=str(error.code))


def record_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId], session: ClientSession) -> None:
    """Record one audit event for all ended sessions."""
    if ended:
        audit.record_change(actor, Action.DELETE, Kind.SESSION, *ended, subject=user_id, session=session)


def log_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId]) -> None:
    if ended:
        log.info("sessions_ended", user_id=str(user_id), by=str(actor.user_id), count=len(ended))


def record_reuse(reused: Session, session: ClientSession) -> None:
    """Record that a spent refresh token was used again, which ended its session."""
    audit.record_change(
        SYSTEM,
        Action.DELETE,
        Kind.SESSION,
        reused.id,
        subject=reused.user,
        session=session,
        changes=[_SPENT_TOKEN],
    )


def log_reuse(reused: Session) -> None:
    log.warning("refresh_token_reused", user_id=str(reused.user), session_id=str(reused.id))
