"""How many codes a number, an address and the whole clinic may ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from arthomed.auth.models import Budget
from arthomed.auth.rules import AccountLocked, Limit
from arthomed.config import CodePolicy
from arthomed.core import clock
from arthomed.core.errors import RateLimitExceeded

log = structlog.get_logger()

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def limits_on_codes(mobile: str, address: str, policy: CodePolicy) -> list[Limit]:
    """From the narrowest to the widest, so that one number's excess is not charged to the clinic."""
    return [
        Limit(_resend(mobile), 1, policy.resend_after),
        Limit(f"number:{mobile}", policy.per_number_an_hour, _HOUR),
        Limit(f"address:{address}", policy.per_address_an_hour, _HOUR),
        Limit("clinic", policy.per_clinic_a_day, _DAY),
    ]


@contextmanager
def spending(limits: list[Limit]) -> Iterator[None]:
    """Charge all of the limits, or none of them when one is exhausted or the work within fails.

    Raises:
        RateLimitExceeded: with the time after which the exhausted one is free again.
    """
    charged = 0
    try:
        while charged < len(limits):
            charged += Budget.charge(limits[charged:], now=clock.now())
            if charged < len(limits):
                _ensure_not_exhausted(limits[charged])
        yield
    except Exception:
        for limit in limits[:charged]:
            Budget.give_back(limit.key)
        raise


def _ensure_not_exhausted(limit: Limit) -> None:
    """Two first uses at the same moment refuse one another, too: such a one is to be tried again."""
    now = clock.now()
    budget = Budget.current(limit.key, now=now)
    if budget is not None and budget["used"] >= limit.most:
        raise RateLimitExceeded(retry_after=budget["endsAt"] - now)


def ensure_not_locked(mobile: str, policy: CodePolicy) -> bool:
    """Refuse a number that failed too often; devices that are signed in are not touched.

    Returns whether it has failed at all.

    Raises:
        AccountLocked: with the time after which it is free again.
    """
    now = clock.now()
    failures = Budget.current(_failures(mobile), now=now)
    if failures is not None and failures["used"] >= policy.failures_to_lock:
        raise AccountLocked(retry_after=failures["endsAt"] - now)
    return failures is not None


def count_failure(mobile: str, policy: CodePolicy) -> None:
    """Note a wrong guess; the last one that is borne locks the number from now on.

    Neither does it get another code until then, so that who asks for one need not look for locks.
    """
    now = clock.now()
    failures = Budget.use(_failures(mobile), now=now, window=policy.lock)
    if failures["used"] == policy.failures_to_lock:
        Budget.exhaust([_failures(mobile), _resend(mobile)], now + policy.lock)
        log.warning("number_locked", minutes=int(policy.lock.total_seconds() // 60))


def forget_failures(mobile: str) -> None:
    Budget.forget(_failures(mobile))


def _resend(mobile: str) -> str:
    return f"resend:{mobile}"


def _failures(mobile: str) -> str:
    return f"failures:{mobile}"
