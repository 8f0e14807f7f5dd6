"""Erases a patient's account, except for the data that the clinic must retain by law."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.service import transitions
from arthomed.appointments.service.erasure import erase_appointments, last_treatment_at
from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.auth.models import Otp
from arthomed.auth.service import sessions, sign_in
from arthomed.core import clock
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.documents import transaction
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import deleting
from arthomed.payments.service.queries import last_payment_at
from arthomed.privacy import rules
from arthomed.privacy.models import Export
from arthomed.users import family
from arthomed.users import service as users

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, and what the clinic must retain."""

    erased: Sequence[str]
    kept: Sequence[rules.RetainedData]


def erase(actor: Actor, user_id: ObjectId, code: str, *, address: str) -> Erasure:
    """Close the acting patient's account and erase what the law does not retain, in one transaction.

    It cancels the open appointments, signs out all devices and frees the mobile number for a new account. The medical
    record keeps the patient's name until its retention period ends; then `erase_expired_records` erases it. Receipts
    stay, without a name.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused; see sign_in.confirm_with_code.
        TooLate: an appointment begins too soon to be cancelled.
    """
    sign_in.confirm_with_code(users.get(user_id), code, address=address)

    def work(session: ClientSession) -> Erasure:
        now = clock.now()
        transitions.cancel_open(actor, session)
        record_until = rules.medical_record_until(last_treatment_at(user_id, session), now)
        receipts_until = rules.receipts_until(last_payment_at(user_id, session), now)
        Otp.forget(users.get(user_id, session).mobile_number, session)
        sessions.end_all_sessions(actor, user_id, session)
        _erase_personal_data(actor, user_id, record_until, session)
        Export.erase(user_id, session)
        return Erasure(rules.erased(record_until), rules.retained(record_until, now, receipts_until))

    erasure = transaction(work)
    log.info("account_erased", user_id=str(user_id))
    return erasure


def erase_expired_records() -> int:
    """Erase the medical records whose retention period has ended; returns the number of patients."""
    due = users.due_for_anonymisation(clock.now())
    for user_id in due:
        transaction(partial(_erase_personal_data, SYSTEM, user_id, None))
    return len(due)


def _erase_personal_data(
    actor: Actor, user_id: ObjectId, record_until: datetime | None, session: ClientSession
) -> None:
    """Anonymise a person and their appointments; with `record_until` the medical record stays until then."""
    deleting.mark_files_of(FileKind.PROFILES, [user_id], session)
    users.anonymise(user_id, keep_until=record_until, session=session)
    family.erase(user_id, keeps_record=record_until is not None, session=session)
    erase_appointments(user_id, including_treated=record_until is None, session=session)
    audit.record_change(actor, Action.DELETE, Kind.USER, user_id, subject=user_id, session=session)
