"""One-time codes: requested, sent by SMS, and checked."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.auth import rules
from arthomed.auth.models import Otp
from arthomed.config import settings
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


def request_code(mobile: str, *, purpose: str, address: str) -> None:
    """Store a code for a number, known or not, and enqueue its SMS; the number's older code is dead from now on.

    Raises:
        AccountLocked: the number failed too often.
        RateLimitExceeded: the quota of the number, of the address or of the clinic is exhausted.
        ServiceUnavailable: Redis is unavailable; no code is stored, and an older one still works. When the database did
            not answer in time, it may have stored the code, which is then sent.
    """
    quotas = rules.otp_quotas(mobile, address, settings().codes)
    try:
        quota.counter().take(quotas)
    except RateLimitExceeded:
        ensure_not_locked(mobile)  # a lock explains more than a quota
        raise
    try:
        issue = _store(mobile, purpose)
    except ClinicError:
        quota.counter().give_back(quotas)
        raise
    notifications.enqueue_or_leave_to_sweeper([JobRequest(Job.DELIVER_CODE, (str(issue),))])
    metrics.CODES_SENT.add()


def _store(mobile: str, purpose: str) -> ObjectId:
    now, policy, secret, nonce = clock.now(), settings().codes, settings().otp_secret, secrets.token_bytes(16)
    code = Otp(
        mobile_number=mobile,
        otp=rules.digest_of(mobile, rules.code_for(nonce, secret), secret),
        nonce=nonce,
        issue=ObjectId(),
        purpose=purpose,
        expires_at=now + policy.lifetime,
        enqueue_again_at=now + _SWEEP_GRACE,
    )
    for _ in range(2):  # the first code of a number may be stored by two requests at once
        if code.replace_older(now=now, policy=policy):
            issue: ObjectId = code.issue
            return issue
        ensure_not_locked(mobile)
    raise ServiceUnavailable


def deliver(issue: ObjectId) -> None:
    """Add the message of a live code to the outbox, and send it."""
    for message in add_message_to_outbox(issue):
        notifications.send(message.id)


def add_message_to_outbox(issue: ObjectId) -> list[Notification]:
    """The message of a live code; empty when it is in the outbox already, or expired."""
    code = Otp.live(issue, clock.now())
    if code is None or code.enqueue_again_at is None:
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
    useful = [code.issue for code in found if code.created_at > now - _USEFUL_FOR]
    jobs.enqueue_all([JobRequest(Job.DELIVER_CODE, (str(issue),)) for issue in useful])
    Otp.sweep_again(useful, now + _SWEEP_AGAIN)


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


def consume(mobile: str, code: str) -> None:
    """Consume a number's live code, or one of its attempts.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
    """
    with logging_outcome():
        refusal = transaction(lambda session: check({mobile: code}, session))[mobile]
        if refusal is not None:
            raise refusal


@contextmanager
def logging_outcome() -> Iterator[None]:
    """Around a committed check of a code: log and count how it ended."""
    try:
        yield
    except rules.CodeRefused as error:
        if isinstance(error, rules.CodeInvalid) and error.locks:
            log.warning("number_locked", minutes=int(settings().codes.lock.total_seconds() // 60))
        log.info("code_refused", code=str(error.code))
        raise
    metrics.CODES_VERIFIED.add()


def check(guesses: Mapping[str, str], session: ClientSession) -> dict[str, rules.CodeRefused | None]:
    """Check guesses by number within a transaction: a right one consumes the code, a wrong one an attempt.

    Returns the refusal of each number, or None for a right guess.
    """
    if not guesses:
        return {}
    now, policy, keys = clock.now(), settings().codes, settings().otp_keys
    attempts = Otp.attempts_of(list(guesses), session)
    checked: dict[str, rules.CodeRefused | None] = {}
    for mobile, code in guesses.items():
        digests = [rules.digest_of(mobile, code, key) for key in keys]
        found = attempts.get(mobile)
        checked[mobile] = found.refusal(digests, now=now, policy=policy) if found else rules.CodeExpired()
    right = [mobile for mobile, refusal in checked.items() if refusal is None]
    wrong = {
        mobile: attempts[mobile].failed_again(now=now, policy=policy)
        for mobile, refusal in checked.items()
        if isinstance(refusal, rules.CodeInvalid)
    }
    Otp.store_outcomes(right, wrong, now=now, session=session)
    return checked


def ensure_not_locked(mobile: str) -> None:
    """Refuse a number that failed too often; its signed-in devices are not affected.

    Raises:
        AccountLocked: with the time after which the lock ends.
    """
    now = clock.now()
    until = Otp.locked_until(mobile, now=now, policy=settings().codes)
    if until is not None:
        raise rules.AccountLocked(retry_after=until - now)
