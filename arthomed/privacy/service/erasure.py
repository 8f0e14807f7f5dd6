"""Being forgotten, as far as the law lets a clinic forget."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.service import forgetting, transitions
from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.auth import service as auth
from arthomed.auth.models import Otp
from arthomed.core import clock
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import transaction
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import deleting
from arthomed.privacy import rules
from arthomed.privacy.models import Export
from arthomed.users import service as users

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, and what must be kept."""

    erased: Sequence[str]
    kept: Sequence[rules.Kept]


def erase(actor: Actor, user_id: ObjectId, code: str) -> Erasure:
    """Close the acting patient's account and erase what need not be kept; all of it or nothing.

    Open visits are cancelled, devices are signed out, the number is free for a new account. What a doctor
    recorded stays with its patient's name for as long as the law wants it, and is erased by `finish` then.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good; see auth.confirm_with_code.
        TooLate: a visit begins too soon to be cancelled.
    """
    auth.confirm_with_code(users.get(user_id), code)

    def work(session: ClientSession) -> datetime | None:
        transitions.cancel_open(actor, session)
        records = rules.records_until(forgetting.last_treatment(user_id, session), clock.now())
        Otp.forget(users.get(user_id, session).mobile_number, session)
        auth.end_all_sessions(actor, user_id, session)
        _forget(actor, user_id, records, session)
        Export.forget(user_id, session)
        return records

    records = transaction(work)
    log.info("account_erased", user_id=str(user_id))
    return Erasure(rules.erased(records), rules.kept(records, clock.now()))


def finish() -> int:
    """Erase what had to be kept until now; returns the number of people."""
    due = users.due_to_be_forgotten(clock.now())
    for user_id in due:
        transaction(partial(_forget, SYSTEM, user_id, None))
    return len(due)


def _forget(actor: Actor, user_id: ObjectId, records: datetime | None, session: ClientSession) -> None:
    """Anonymise a person and their visits; with `records` what was recorded until then is left."""
    deleting.mark_files_of(FileKind.PROFILES, [user_id], session)
    users.forget(user_id, keep_until=records, session=session)
    forgetting.forget(user_id, treated_too=records is None, session=session)
    audit.note_change(actor, Action.DELETE, Kind.USER, user_id, subject=user_id, session=session)
