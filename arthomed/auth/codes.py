"""One-time codes: made, put into words, and spent."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.auth import rules, trail
from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core import clock, jobs, limits, metrics, origin
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import ClinicError, RateLimitExceeded, ServiceUnavailable
from arthomed.core.limits import Limit
from arthomed.core.origin import Origin
from arthomed.core.together import Together
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification, State, Topic
from arthomed.users import service as users

log = structlog.get_logger()

MESSAGE = "code"
_WAITED_FOR = timedelta(minutes=2)  # then people ask for another one
_SWEEP_GRACE = timedelta(seconds=5)  # leave the fresh ones to the job that was just asked for
_SWEEP_AGAIN = timedelta(seconds=30)
_SWEEP_LIMIT = 500


@dataclass(frozen=True, slots=True)
class _Asked:
    """A code that is to be made, and what it is charged to."""

    mobile: str
    purpose: str
    limits: Sequence[Limit]
    origin: Origin = field(default_factory=origin.current)


def issue(mobile: str, purpose: str, charged_to: Sequence[Limit]) -> None:
    """Make a code, which kills the number's older one, and ask for its SMS.

    When the broker went away this very moment, the sweep asks for it. The limits are given back when the number is
    refused; whatever else goes wrong, the code may have been made.

    Raises:
        AccountLocked: the number failed too often.
        RateLimitExceeded: a limit is used up.
        ServiceUnavailable: nobody counts.
    """
    asked = _Asked(mobile, purpose, charged_to)
    try:
        if not _issue_with_others(asked):
            _issue_again(asked)
    except RateLimitExceeded:
        ensure_not_locked(mobile)  # which explains more
        raise
    metrics.CODES_SENT.add()


def _issue_again(asked: _Asked) -> None:
    try:
        ensure_not_locked(asked.mobile)
        if not _issue_with_others(replace(asked, limits=())):
            raise ServiceUnavailable
    except ClinicError:
        limits.budgets().give_back(asked.limits)
        raise


def _issue_all(asked: Sequence[_Asked], **_: bool) -> list[bool | Exception]:
    """Whether each is stored: not that of a locked number, and of two for a number's first code one."""
    refusals = limits.budgets().spend([one.limits for one in asked])
    admitted = [one for one, refusal in zip(asked, refusals, strict=True) if refusal is None]
    made = {one.mobile: _new_code(one) for one in admitted}
    refused = Otp.replace_older(made, now=clock.now(), policy=settings().codes) if made else set()
    stored = [(str(made[one.mobile]["issue"]), one.origin) for one in admitted if one.mobile not in refused]
    notifications.enqueue_or_leave_to_sweeper(
        [jobs.Asked(jobs.Job.TELL_CODE, (which,), source) for which, source in stored]
    )
    return [refusal or one.mobile not in refused for one, refusal in zip(asked, refusals, strict=True)]


_issue_with_others = Together(_issue_all, names=lambda asked: (asked.mobile,), gathers=True)


def _new_code(asked: _Asked) -> Raw:
    now, secret, nonce = clock.now(), settings().otp_secret, secrets.token_bytes(16)
    return {
        "otp": rules.digest_of(asked.mobile, rules.code_for(nonce, secret), secret),
        "nonce": nonce,
        "issue": ObjectId(),
        "purpose": asked.purpose,
        "expiresAt": now + settings().codes.lifetime,
        "tellAt": now + _SWEEP_GRACE,
    }


def tell(which: ObjectId) -> None:
    """Put the message of a live code into the outbox, and send it."""
    for message in put_message(which):
        notifications.send(message.id)


def put_message(which: ObjectId) -> list[Notification]:
    """Put the message of a live code into the outbox; nothing when that was done, or given up."""
    code = Otp.live(which, clock.now())
    if code is None or code.tell_at is None:
        return []
    topic = Topic(user=None, subject=which, kind=MESSAGE, version=0, useful_until=code.created_at + _WAITED_FOR)
    messages = notifications.build_notifications(topic, [Channel.SMS])
    try:
        notifications.add_to_outbox(messages)
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
    jobs.enqueue_all([jobs.Asked(jobs.Job.TELL_CODE, (str(which),)) for which in waited_for])
    Otp.ask_again(waited_for, now + _SWEEP_AGAIN)


def word(notification: Notification) -> Sms | None:
    """The SMS of a code that is still of use, in the language of whoever has the number; to a stranger in English."""
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
    if not guesses:
        return {}
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
