"""One-time codes: made, put into words, and spent."""

import secrets
from datetime import timedelta

from bson import ObjectId

from arthomed.auth import budgets, rules, trail
from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core import clock, metrics
from arthomed.core.errors import ClinicError
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification, Timing
from arthomed.users import service as users

MESSAGE = "code"
_WAITED_FOR = timedelta(minutes=2)  # then people ask for another one


def issue(mobile: str, purpose: str) -> None:
    """Make a code, which kills the number's older one, and ask for its SMS.

    Raises:
        JobsUnavailable: the broker is away; nothing was made.
    """
    nonce, secret = secrets.token_bytes(16), settings().otp_secret
    code = Otp(
        mobile_number=mobile,
        otp=rules.digest_of(mobile, rules.code_for(nonce, secret), secret),
        nonce=nonce,
        issue=ObjectId(),
        purpose=purpose,
        expires_at=clock.now() + settings().codes.lifetime,
    )
    older = code.replace_older()
    messages = notifications.put(
        user=None,
        subject=code.issue,
        kind=MESSAGE,
        version=0,
        channels=[Channel.SMS],
        timing=Timing(useful_until=clock.now() + _WAITED_FOR),
    )
    try:
        notifications.hand_over(messages)
    except Exception:
        notifications.take_back(messages)
        code.give_way_to(older)
        raise
    metrics.CODES_SENT.add()


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
    try:
        _compare(mobile, code)
    except ClinicError as error:
        trail.tell_refused(error)
        raise


def _compare(mobile: str, code: str) -> None:
    policy, now = settings().codes, clock.now()
    failed_before = budgets.ensure_not_locked(mobile, policy)
    digests = [rules.digest_of(mobile, code, key) for key in settings().otp_keys]
    match Otp.compare_and_consume(mobile, digests, now=now, most=policy.max_attempts):
        case True:
            if failed_before:
                budgets.forget_failures(mobile)
            metrics.CODES_VERIFIED.add()
        case False:
            budgets.count_failure(mobile, policy)
            raise rules.CodeInvalid
        case _:
            used_up = Otp.is_used_up(mobile, now=now, most=policy.max_attempts)
            raise rules.CodeUsedUp if used_up else rules.CodeExpired
