"""One-time codes: requested, sent by SMS, and checked."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.auth import rules
from arthomed.auth.models import Otp
from arthomed.auth.service import code_quotas
from arthomed.config import settings
from arthomed.config_limits import CodePolicy
from arthomed.core import clock, jobs, metrics, quota
from arthomed.core.documents import transaction
from arthomed.core.errors import ClinicError, RateLimitExceeded, ServiceUnavailable
from arthomed.core.jobs import Job, JobRequest
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification, State, Topic
from arthomed.users import service as users

log = structlog.get_logger()

MESSAGE = "code"
_USEFUL_FOR = timedelta(minutes=2)  # then people request another code
_SWEEP_GRACE = timedelta(seconds=5)  # for the job that was enqueued with the code
_SWEEP_AGAIN = timedelta(seconds=30)
_SWEEP_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Guess:
    """A code as a client entered it, and the client's address (`http.limits.subscriber`).

    `purpose` is what the client says that the code is for, if it says so.
    """

    mobile: str
    code: str
    address: str
    purpose: str | None = None


def request_code(mobile: str, *, purpose: str, address: str, networks: Sequence[str]) -> None:
    """Store a code for a number, known or not, and enqueue its SMS; the number's older code is dead from now on.

    `address` is the client's (`http.limits.subscriber`), `networks` are those that have quotas
    (`http.limits.networks`), none for somebody who is signed in. The clinic's quotas do not change the response, which
    would tell patients from strangers: the worker decides whether the SMS is sent.

    Raises:
        AccountLocked: too many wrong codes were entered for the number.
        RateLimitExceeded: the quota of the number, or of the address, is exhausted.
        ServiceUnavailable: Redis is unavailable; no code is stored, and an older one still works. When the database did
            not answer in time, it may have stored the code, which is then sent.
    """
    known_addresses = users.known_addresses(mobile)
    is_known = address in (known_addresses or ())
    known_address = address if is_known else None
    quotas = rules.request_quotas(mobile, networks, settings().codes, known_address=known_address)
    try:
        quota.counter().take(quotas)
    except RateLimitExceeded:
        _ensure_not_locked(mobile, address, is_known_address=is_known)  # a lock explains more than a quota
        raise
    try:
        code = _store(mobile, purpose, address, is_known_address=is_known, is_stranger=known_addresses is None)
    except ClinicError:
        quota.counter().give_back(quotas)
        raise
    notifications.enqueue_or_leave_to_sweeper([_delivery(code)])
    metrics.CODES_SENT.add()


def _delivery(code: Otp) -> JobRequest:
    """The job that sends a code; those to strangers have a queue of their own, so a flood of them delays no others."""
    return JobRequest(Job.DELIVER_CODE_TO_STRANGER if code.is_stranger else Job.DELIVER_CODE, (str(code.issue),))


def _store(mobile: str, purpose: str, address: str, *, is_known_address: bool, is_stranger: bool) -> Otp:
    now, policy, secret, nonce = clock.now(), settings().codes, settings().otp_secret, secrets.token_bytes(16)
    code = Otp(
        mobile_number=mobile,
        otp=rules.digest_of(mobile, rules.code_for(nonce, secret), secret),
        nonce=nonce,
        issue=ObjectId(),
        purpose=purpose,
        requested_from=address,
        is_stranger=is_stranger,
        expires_at=now + policy.lifetime,
        enqueue_again_at=now + _SWEEP_GRACE,
    )
    for _ in range(2):  # the first code of a number may be stored by two requests at once
        if code.replace_older(is_known_address=is_known_address, now=now, policy=policy):
            return code
        _ensure_not_locked(mobile, address, is_known_address=is_known_address)
    raise ServiceUnavailable


def deliver(issue: ObjectId) -> None:
    """Add the message of a live code to the outbox, and send it."""
    for message in add_message_to_outbox(issue):
        notifications.send(message.id)


def add_message_to_outbox(issue: ObjectId) -> list[Notification]:
    """The message of a live code; empty when it is in the outbox already, expired, or over a quota of the clinic."""
    code = Otp.live(issue, clock.now())
    if code is None or code.enqueue_again_at is None:
        return []
    if not code_quotas.may_send(code):
        Otp.discard(issue)
        return []
    topic = Topic(user=None, subject=issue, kind=MESSAGE, version=0, useful_until=code.created_at + _USEFUL_FOR)
    messages = notifications.build_notifications(topic, [Channel.SMS])
    try:
        notifications.add_to_outbox(messages)
    except DuplicateKeyError:  # an earlier run for the same code was killed after this step
        messages = []
    Otp.mark_messages_stored(issue)
    return messages


def sweep() -> None:
    """Enqueue the codes again whose message is not in the outbox yet, and give up those that are too old."""
    now = clock.now()
    found = Otp.without_message(now, limit=_SWEEP_LIMIT)
    late = [code.issue for code in found if code.created_at <= now - _USEFUL_FOR]
    if late:
        Otp.mark_messages_stored(*late)
        log.error("messages_expired", count=len(late), channel=str(Channel.SMS))
        metrics.MESSAGES.add(Channel.SMS, State.EXPIRED, by=len(late))
    useful = [code for code in found if code.created_at > now - _USEFUL_FOR]
    jobs.enqueue_all([_delivery(code) for code in useful])
    Otp.sweep_again([code.issue for code in useful], now + _SWEEP_AGAIN)


def render_message(notification: Notification) -> Sms | None:
    """The SMS of a live code, in the language of the number's owner; English for an unknown number."""
    code = Otp.live(notification.subject, clock.now())
    if code is None:
        return None
    person = users.find_by_mobile(code.mobile_number)
    return catalogue.language(person and person.profile.language).render_sms(
        MESSAGE,
        code.mobile_number,
        entity_id=settings().dlt_entity_id,
        code=rules.code_of(code.mobile_number, code.nonce, code.otp, settings().otp_keys),
        minutes=int(settings().codes.lifetime.total_seconds() // 60),
    )


def consume(guess: Guess) -> None:
    """Consume a number's live code, or one of its attempts.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
    """

    def check_and_consume(session: ClientSession) -> rules.CodeRefused | None:
        refusal = check([guess], session)[guess.mobile]
        if refusal is None:
            mark_used([guess], session)
        return refusal

    with logging_outcome():
        refusal = transaction(check_and_consume)
        if refusal is not None:
            raise refusal


@contextmanager
def logging_outcome() -> Iterator[None]:
    """Around a committed check of a code: log and count how it ended."""
    try:
        yield
    except rules.CodeRefused as error:
        if isinstance(error, rules.CodeInvalid) and error.locks_for is not None:
            log.warning("number_locked", minutes=int(error.locks_for.total_seconds() // 60))
        log.info("code_refused", code=str(error.code))
        raise
    except (rules.UserInactive, rules.StaffOnly, users.NumberRegistered):  # the code was right
        metrics.CODES_VERIFIED.add()
        raise
    metrics.CODES_VERIFIED.add()


def check(guesses: Sequence[Guess], session: ClientSession) -> dict[str, rules.CodeRefused | None]:
    """Check guesses of different numbers in a transaction; a wrong one consumes an attempt.

    Returns the refusal of each number, or None for a right guess, whose code the caller marks as used.
    """
    now, policy = clock.now(), settings().codes
    attempts = Otp.attempts_of([guess.mobile for guess in guesses], session)
    checked = {
        guess.mobile: _refusal(guess, attempts.get(guess.mobile), session, now=now, policy=policy) for guess in guesses
    }
    wrong = {
        guess.mobile: (
            guess.address == attempts[guess.mobile].requested_from,
            attempts[guess.mobile].with_one_more_failure(guess.address, now=now, policy=policy),
        )
        for guess in guesses
        if isinstance(checked[guess.mobile], rules.CodeInvalid)
    }
    Otp.store_failures(wrong, now=now, session=session)
    return checked


def mark_used(guesses: Sequence[Guess], session: ClientSession) -> None:
    """Consume the codes of right guesses, in the transaction that checked them."""
    Otp.mark_used({guess.mobile: guess.address for guess in guesses}, now=clock.now(), session=session)


def _refusal(
    guess: Guess,
    attempts: rules.OtpAttempts | None,
    session: ClientSession,
    *,
    now: datetime,
    policy: CodePolicy,
) -> rules.CodeRefused | None:
    if attempts is None:
        return rules.CodeExpired()
    digests = [rules.digest_of(guess.mobile, guess.code, key) for key in settings().otp_keys]
    is_locked = attempts.is_number_locked(now, policy)
    is_known = is_locked and guess.address in (users.known_addresses(guess.mobile, session) or ())
    return attempts.refusal(
        digests, guess.address, purpose=guess.purpose, is_known_address=is_known, now=now, policy=policy
    )


def _ensure_not_locked(mobile: str, address: str, *, is_known_address: bool) -> None:
    """Refuse an address that entered too many wrong codes; signed-in devices of the number are not affected.

    Raises:
        AccountLocked: with the time after which the lock ends.
    """
    now, policy = clock.now(), settings().codes
    attempts = Otp.attempts_of([mobile]).get(mobile)
    until = attempts and attempts.locked_until(address, is_known_address=is_known_address, now=now, policy=policy)
    if until:
        raise rules.AccountLocked(retry_after=until - now)
