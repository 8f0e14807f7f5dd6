"""Recording payments, refunds and corrections: entry, receipt number, appointment and audit event are one transaction.

The receipts of a year share a counter, so entries of one moment share a transaction.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import fees
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import PaymentInfo
from arthomed.appointments.service import audit_trail, idempotency
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent
from arthomed.audit.models import Kind as AuditKind
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.counters import Counter
from arthomed.core.documents import Raw
from arthomed.core.errors import ClinicError, DuplicateValue, IdempotencyKeyReused, NotFound
from arthomed.core.origin import Origin
from arthomed.payments import rules
from arthomed.payments.models import Payment
from arthomed.payments.rules import Kind, Method

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EntryDetails:
    """The requested entry; `amount` is signed, as it is stored."""

    appointment_id: ObjectId
    kind: Kind
    amount: int
    method: Method
    reference: str | None = None
    reason: str | None = None
    corrects: ObjectId | None = None

    @property
    def fingerprint(self) -> str:
        return idempotency.fingerprint_of(asdict(self))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An entry on its way into a transaction."""

    actor: Actor
    details: EntryDetails
    received_by: ObjectId
    key: str | None
    origin: Origin = field(default_factory=origin.current)

    @property
    def keys(self) -> Sequence[object]:
        """What two attempts of one transaction must not share: they would not see each other's entries."""
        return self.details.appointment_id, (self.actor.user_id, self.key or object())


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry and its appointment; `events` are empty when the entry was there already."""

    payment: Payment
    appointment: Appointment
    events: Sequence[AuditEvent] = ()


def pay(
    actor: Actor, appointment_id: ObjectId, amount: int, method: Method, *, reference: str | None, key: str | None
) -> Recorded:
    """Record a payment.

    Raises:
        NotFound: there is no such appointment.
        TooLate: the appointment is cancelled or rejected.
        ValidationFailed: the amount is more than what is open.
        IdempotencyKeyReused: the key was used for another entry.
    """
    details = EntryDetails(appointment_id, Kind.PAYMENT, amount, method, reference=reference)
    return _record(_Attempt(actor, details, actor.signed_in_user_id, key))


def refund(
    actor: Actor, appointment_id: ObjectId, amount: int, method: Method, *, reason: str, key: str | None
) -> Recorded:
    """Record a refund that was paid out.

    Raises:
        NotFound: there is no such appointment.
        ValidationFailed: the amount is more than what was paid.
        IdempotencyKeyReused: the key was used for another entry.
    """
    details = EntryDetails(appointment_id, Kind.REFUND, -amount, method, reason=reason)
    return _record(_Attempt(actor, details, actor.signed_in_user_id, key))


def correct(actor: Actor, payment_id: ObjectId, *, reason: str, key: str | None) -> Recorded:
    """Cancel a payment or refund by an entry of the opposite amount.

    Raises:
        NotFound: there is no such entry.
        DuplicateValue: it is corrected already.
        ValidationFailed: it is a correction, or a payment that was refunded.
        IdempotencyKeyReused: the key was used for another entry.
    """
    wrong: Payment = Payment.visible_to(actor).require(payment_id)
    details = EntryDetails(
        wrong.appointment, Kind.CORRECTION, -wrong.amount, wrong.method, reason=reason, corrects=wrong.id
    )
    return _record(_Attempt(actor, details, wrong.received_by, key))


def _record(attempt: _Attempt) -> Recorded:
    try:
        recorded = _batched(attempt)
    except DuplicateKeyError as error:
        recorded = _replay_or_refuse(attempt, error)
    if recorded.events:
        log.info("payment_recorded", payment_id=str(recorded.payment.id), kind=str(recorded.payment.kind))
    else:
        audit_trail.record_read(attempt.actor, [recorded.appointment])
    Appointment.with_people([recorded.appointment])
    Payment.with_people([recorded.payment])
    return recorded


def _record_in_transaction(attempts: Sequence[_Attempt], session: ClientSession) -> list[Recorded | Exception]:
    """Write the entries that are not refused. The counter is last: others wait for it from then on."""
    now = clock.now()
    outcomes = [_outcome(attempt, now, session) for attempt in attempts]
    new = [one for one in outcomes if isinstance(one, Recorded) and one.events]
    if new:
        audit.insert_events([event for one in new for event in one.events], session)
        _number([one.payment for one in new], now, session)
        Payment.insert_all([one.payment for one in new], session)
    return outcomes


_batched = Batcher(_record_in_transaction, keys=lambda attempt: attempt.keys)


def _outcome(attempt: _Attempt, now: datetime, session: ClientSession) -> Recorded | Exception:
    """Raises nothing after the first write, so that a refusal leaves no trace in the transaction."""
    details = attempt.details
    try:
        used = attempt.key and Payment.used_key(attempt.actor, attempt.key, session)
        if used:
            return _replay(attempt, used, session)
        appointment = Appointment.find_one({"_id": details.appointment_id}, session)
        if appointment is None:
            raise NotFound
        entries = Payment.find_all({"appointment": appointment.id}, session)
        _ensure_allowed(details, appointment, entries)
    except ClinicError as refusal:
        return refusal
    payment = _payment(attempt, appointment, _payer(details, appointment, entries), now)
    settled = _settle(appointment, [*entries, payment], now, session)
    with origin.override(attempt.origin):
        return Recorded(payment, settled, _events(attempt.actor, payment, appointment, settled))


def _ensure_allowed(details: EntryDetails, appointment: Appointment, entries: Sequence[Payment]) -> None:
    paid = rules.paid_amount(entries)
    if details.kind is Kind.PAYMENT:
        rules.ensure_payable(appointment.status, fee=appointment.payment.amount, paid=paid, amount=details.amount)
    elif details.kind is Kind.REFUND:
        rules.ensure_refundable(paid=paid, amount=-details.amount)
    else:
        rules.ensure_correctable(next(one for one in entries if one.id == details.corrects), entries)


def _payer(details: EntryDetails, appointment: Appointment, entries: Sequence[Payment]) -> ObjectId:
    """The patient, or the one who paid while the patient was a member of that family."""
    paid = [one for one in entries if one.id == details.corrects or (not details.corrects and one.kind is Kind.PAYMENT)]
    return ObjectId(paid[-1].patient_id if paid and details.kind is not Kind.PAYMENT else appointment.patient_id)


def _payment(attempt: _Attempt, appointment: Appointment, payer: ObjectId, now: datetime) -> Payment:
    """The entry; its receipt number follows."""
    details = attempt.details
    return Payment(
        id=ObjectId(),
        appointment=appointment.id,
        patient_id=payer,
        kind=details.kind,
        amount=details.amount,
        method=details.method,
        reference=details.reference,
        reason=details.reason,
        corrects=details.corrects,
        received_by=attempt.received_by,
        created_by=attempt.actor.signed_in_user_id,
        at=now,
        idempotency_key=attempt.key,
        fingerprint=details.fingerprint,
    )


def _settle(appointment: Appointment, entries: Sequence[Payment], now: datetime, session: ClientSession) -> Appointment:
    """Let the appointment show what its entries add up to."""
    paid, refunded = rules.paid_amount(entries), rules.refunded_amount(entries)
    info = PaymentInfo.of(appointment.payment.amount, paid=paid, refunded=refunded)
    refund: Raw = {}
    if (cancellation := appointment.cancellation) is not None:
        since = refunded - (cancellation.refunded_before or 0)
        status = fees.refund_status(cancellation.refund_amount, refunded=since, paid=paid)
        paid_out_at = now if status is fees.RefundStatus.REFUNDED else None
        refund = {"cancellation.refundStatus": status, "cancellation.refundDate": paid_out_at}
    return appointment.settle(info, refund, now=now, session=session)


def _events(actor: Actor, payment: Payment, before: Appointment, after: Appointment) -> Sequence[AuditEvent]:
    created = audit.change_event(actor, Action.CREATE, AuditKind.PAYMENT, payment.id, subject=payment.patient_id)
    return created, audit_trail.change_event(actor, before, after)


def _number(payments: Sequence[Payment], now: datetime, session: ClientSession) -> None:
    year = rules.financial_year(clock.local_date(now, settings().policy.timezone))
    first = Counter.next(f"receipts:{year}", session, count=len(payments))
    for number, payment in enumerate(payments, first):
        payment.receipt_number = rules.receipt_number(year, number)


def _replay(attempt: _Attempt, used: Payment, session: ClientSession | None = None) -> Recorded:
    if used.fingerprint != attempt.details.fingerprint:
        raise IdempotencyKeyReused
    return Recorded(used, Appointment.find_one({"_id": used.appointment}, session))


def _replay_or_refuse(attempt: _Attempt, error: DuplicateKeyError) -> Recorded:
    """Another process wrote at the same moment: the same request, or another correction of the entry."""
    used = attempt.key and Payment.used_key(attempt.actor, attempt.key)
    if used:
        return _replay(attempt, used)
    if attempt.details.corrects is not None:
        raise DuplicateValue("This entry is corrected already") from error
    raise error
