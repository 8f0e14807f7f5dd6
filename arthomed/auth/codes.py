"""One-time codes: made, put into words, and spent."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.auth import rules, trail
from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core import clock, jobs, metrics
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import ServiceUnavailable
from arthomed.core.together import Together
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification, State, Timing
from arthomed.users import service as users

log = structlog.get_logger()

MESSAGE = "code"
_WAITED_FOR = timedelta(minutes=2)  # then people ask for another one
_SWEEP_GRACE = timedelta(seconds=5)  # leave the fresh ones to the job that was just asked for
_SWEEP_AGAIN = timedelta(seconds=30)
_SWEEP_LIMIT = 500


def issue(mobile: str, purpose: str) -> None:
    """Make a code, which kills the number's older one, and ask for its SMS.

    When the broker went away this very moment, the sweep asks for it.

    Raises:
        AccountLocked: the number failed too often.
    """
    now, policy, secret = clock.now(), settings().codes, settings().otp_secret
    nonce, which = secrets.token_bytes(16), ObjectId()
    code = {
        "otp": rules.digest_of(mobile, rules.code_for(nonce, secret), secret),
        "nonce": nonce,
        "issue": which,
        "purpose": purpose,
        "expiresAt": now + policy.lifetime,
        "tellAt": now + _SWEEP_GRACE,
    }
    if not _store((mobile, code)):
        ensure_not_locked(mobile)
        if not _store((mobile, code)):
            raise ServiceUnavailable
    try:
        jobs.enqueue(jobs.Job.TELL_CODE, str(which))
    except jobs.JobsUnavailable:
        log.warning("messages_left_to_sweep", count=1)
    metrics.CODES_SENT.add()


def _store_all(codes: Sequence[tuple[str, Raw]], **_: bool) -> list[bool]:
    refused = Otp.replace_older(dict(codes), now=clock.now(), policy=settings().codes)
    return [mobile not in refused for mobile, _ in codes]


_store = Together(_store_all, names=lambda code: (code[0],), gathers=True)


def tell(which: ObjectId) -> None:
    """Put the message of a live code into the outbox, and send it."""
    for message in put_message(which):
        notifications.send(message.id)


def put_message(which: ObjectId) -> list[Notification]:
    """Put the message of a live code into the outbox; nothing when that was done, or given up."""
    code = Otp.live(which, clock.now())
    if code is None or code.tell_at is None:
        return []
    timing = Timing(useful_until=code.created_at + _WAITED_FOR)
    messages = notifications.messages(
        user=None, subject=which, kind=MESSAGE, version=0, channels=[Channel.SMS], timing=timing
    )
    try:
        notifications.put(messages)
    except DuplicateKeyError:  # another run for the same code, which was killed then
        messages = []
    Otp.note_told(which)
    return messages


def sweep() -> None:
    """Ask again for the telling of codes that nobody was told of, while they are waited for.

    What an earlier sweep asked for is left to its job for a while.
    """
    now = clock.now()
    found = Otp.untold(now, most=_SWEEP_LIMIT)
    late = [code.issue for code in found if code.created_at <= now - _WAITED_FOR]
    if late:
        Otp.note_told(*late)
        log.error("messages_expired", count=len(late), channel=str(Channel.SMS))
        metrics.MESSAGES.add(Channel.SMS, State.EXPIRED, by=len(late))
    waited_for = [code.issue for code in found if code.created_at > now - _WAITED_FOR]
    for which in waited_for:
        jobs.enqueue(jobs.Job.TELL_CODE, str(which))
    Otp.ask_again(waited_for, now + _SWEEP_AGAIN)


def word(notification: Notification) -> Sms | None:
    """The SMS of a code that is still of use, in the language of whoever has the number; to a stranger in English."""
    code = Otp.live(notification.subject, clock.now())
    if code is None:
        return None
    person = users.find_by_mobile(code.mobile_number)
    return catalogue.words(person and person.profile.language).sms(
        MESSAGE,
        code.mobile_number,
        entity_id=settings().dlt_entity_id,
        code=rules.code_of(code.mobile_number, code.nonce, code.otp, settings().otp_keys),
        minutes=int(settings().codes.lifetime.total_seconds() // 60),
    )


def consume(mobile: str, code: str) -> None:
    """Spend a number's live code, or one of its tries.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good.
    """
    with telling():
        refusal = transaction(lambda session: judge({mobile: code}, session))[mobile]
        if refusal is not None:
            raise refusal


@contextmanager
def telling() -> Iterator[None]:
    """Tell those who watch the clinic what came of a guess; after the commit."""
    try:
        yield
    except rules.CodeRefused as error:
        if isinstance(error, rules.CodeInvalid) and error.locks:
            log.warning("number_locked", minutes=int(settings().codes.lock.total_seconds() // 60))
        trail.tell_refused(error)
        raise
    metrics.CODES_VERIFIED.add()


def judge(guesses: Mapping[str, str], session: ClientSession) -> dict[str, rules.CodeRefused | None]:
    """Spend the live codes of numbers, or one of the tries of each, in a transaction; each has a refusal, or none."""
    now, policy, keys = clock.now(), settings().codes, settings().otp_keys
    tries = Otp.tries(list(guesses), session)
    judged: dict[str, rules.CodeRefused | None] = {}
    for mobile, code in guesses.items():
        digests = [rules.digest_of(mobile, code, key) for key in keys]
        found = tries.get(mobile)
        judged[mobile] = found.refusal(digests, now=now, policy=policy) if found else rules.CodeExpired()
    right = [mobile for mobile, refusal in judged.items() if refusal is None]
    wrong = {
        mobile: tries[mobile].failed_again(now=now, policy=policy)
        for mobile, refusal in judged.items()
        if isinstance(refusal, rules.CodeInvalid)
    }
    Otp.note_guesses(right, wrong, now=now, session=session)
    return judged


def ensure_not_locked(mobile: str) -> None:
    """Refuse a number that failed too often; devices that are signed in are not touched.

    Raises:
        AccountLocked: with the time after which it is free again.
    """
    now = clock.now()
    until = Otp.locked_until(mobile, now=now, policy=settings().codes)
    if until is not None:
        raise rules.AccountLocked(retry_after=until - now)
