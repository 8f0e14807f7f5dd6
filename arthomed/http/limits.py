"""How many requests one caller may make: a budget for each address, another for each user, stricter ones by route.

They are counted in Redis, in one round trip with the versions of what may be answered from a copy; while Redis is
away, in each process, by `limits`, which flask-limiter is made of.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from operator import attrgetter
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, g, request
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from arthomed.config import Settings
from arthomed.core import clock
from arthomed.core.copies import Seen, VersionsUnavailable
from arthomed.core.errors import ServiceUnavailable
from arthomed.core.limits import Limit
from arthomed.http import answers, auth, context, files
from arthomed.infra.versions import RedisVersions

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])
FindUser = Callable[[], str | None]
"""The id of the user whom a request without an access token is from, as far as it proves that."""

_UNLIMITED = ("/health", "/metrics", "/api/openapi.json", "/api/docs", "/dev/")
_NETWORK_OF_ONE = 64
COUNTED = "arthomed.counted"
"""Where in a request's environment lies what was counted before Flask began."""
_AWAY_SECONDS = 1.0  # then it is asked again, and when it is silent a request waits for its time-out


class Budget(StrEnum):
    """A stricter budget that some routes share; it counts beside the caller's own."""

    AUTH = "auth"
    BOOKING = "booking"
    UPLOAD = "upload"


def limited(budget: Budget) -> Callable[[View], View]:
    """A route's stricter budget."""

    def decorate(view: View) -> View:
        view.budget = budget  # type: ignore[attr-defined]
        return view

    return decorate


def charged_to(find_user: FindUser) -> Callable[[View], View]:
    """A route that proves otherwise than by an access token whose request it is."""

    def decorate(view: View) -> View:
        view.find_user = find_user  # type: ignore[attr-defined]
        return view

    return decorate


def unlimited_if(proof: Callable[[], bool]) -> Callable[[View], View]:
    """A route that whoever proves to be the one it is for may call at will; others are charged as anywhere."""

    def decorate(view: View) -> View:
        view.proof = proof  # type: ignore[attr-defined]
        return view

    return decorate


def is_for_its_user_only(view: View) -> bool:
    """Whether requests for it are charged to whose they are, and to nobody else."""
    return not any(hasattr(view, name) for name in ("budget", "find_user", "proof"))


@dataclass(frozen=True, slots=True)
class Rate:
    """What the headers of an answer say."""

    most: int
    left: int
    reset_seconds: float

    def headers(self) -> dict[str, str]:
        """What is left (draft-ietf-httpapi-ratelimit-headers-07: the reset is in seconds from now)."""
        reset = str(max(ceil(self.reset_seconds), 1))
        told = {
            "RateLimit-Limit": str(self.most),
            "RateLimit-Remaining": str(max(self.left, 0)),
            "RateLimit-Reset": reset,
        }
        return told if self.left >= 0 else {**told, "Retry-After": reset}


@dataclass(frozen=True, slots=True)
class Counted:
    """Of several budgets the one that is used up first, and the versions that came with it; None without Redis.

    `error` is what went wrong before Flask began.
    """

    rate: Rate
    seen: Seen | None
    error: Exception | None = None


class Counting:
    """Charges each request, and remembers for a moment that Redis was away."""

    def __init__(self, versions: RedisVersions, settings: Settings) -> None:
        self._versions = versions
        self._window = settings.rate_limits.window
        self._of_user, self._of_address = settings.rate_limits.user, settings.rate_limits.address
        self._strict = {  # in this order: what the first refuses is not charged to the next
            Budget.AUTH: settings.rate_limits.auth,
            Budget.UPLOAD: settings.rate_limits.upload,
            Budget.BOOKING: settings.rate_limits.booking,
        }
        self._in_memory = FixedWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    def charge(self) -> None:
        """Raises TooManyRequests."""
        view = context.view()
        if _is_unlimited(view):
            return
        counted: Counted | None = request.environ.pop(COUNTED, None)
        if counted is None:
            counted = self.count(self._charges(view), (*auth.names(), *answers.names()))
        g.rate = counted.rate
        if counted.seen is not None:
            g.seen = counted.seen
        if g.rate.left < 0:
            raise TooManyRequests
        if counted.error is not None:
            raise counted.error

    def of_user(self, user: str) -> Limit:
        """What each request of a user is charged to."""
        return self._charge_of("all", f"user:{user}", self._of_user)

    def count(self, charges: list[Limit], names: tuple[str, ...]) -> Counted:
        """Charge budgets in order, and look at the versions of names."""
        if time.monotonic() >= self._away_until:
            try:
                used, seen = self._versions.count(charges, names)
            except VersionsUnavailable:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("limits_in_memory")
            else:
                counted = zip(charges, used, strict=False)
                rates = [Rate(one.most, one.most - found.count, found.left_ms / 1000) for one, found in counted]
                return Counted(_first_used_up(rates), seen)
        return Counted(_first_used_up(self._count_in_memory(charges)), None)

    def _charges(self, view: Any) -> list[Limit]:
        find_user: FindUser = getattr(view, "find_user", _signed_in_user)
        user, budgets = find_user(), _budgets(view)
        caller = f"user:{user}" if user else f"address:{network()}"
        own = self.of_user(user) if user else self._charge_of("all", caller, self._of_address)
        strict = [
            self._charge_of(budget, f"address:{network()}" if budget is Budget.AUTH else caller, allowed)
            for budget, allowed in self._strict.items()
            if budget in budgets
        ]
        return [*strict, own]

    def _charge_of(self, scope: str, caller: str, most: int) -> Limit:
        return Limit(f"limit:{scope}:{caller}", most, self._window)

    def _count_in_memory(self, charges: list[Limit]) -> list[Rate]:
        rates = []
        for charge in charges:
            item = RateLimitItemPerSecond(charge.most, int(charge.window.total_seconds()))
            is_within = self._in_memory.hit(item, charge.key)
            window = self._in_memory.get_window_stats(item, charge.key)
            left = window.remaining if is_within else -1
            rates.append(Rate(charge.most, left, window.reset_time - clock.now().timestamp()))
            if not is_within:
                break
        return rates


def ensure_counted() -> None:
    """Refuse what is counted in Redis only, when Redis was away just now: a silent one counts when it wakes.

    Raises:
        ServiceUnavailable: nothing was counted.
    """
    if "seen" not in g:
        raise ServiceUnavailable


def register(app: Flask, settings: Settings, versions: RedisVersions) -> Counting:
    counting = Counting(versions, settings)
    app.before_request(counting.charge)
    app.after_request(_add_headers)
    return counting


def _add_headers(response: Response) -> Response:
    rate: Rate | None = g.get("rate")
    if rate is not None:
        response.headers.update(rate.headers())
    return response


def _first_used_up(rates: list[Rate]) -> Rate:
    return min(rates, key=attrgetter("left"))


def _signed_in_user() -> str | None:
    claims = auth.verified_claims()
    return claims["sub"] if claims else None


def network() -> str:
    """The caller's address; of IPv6 the network, since whoever has one address of it has all of them."""
    try:
        found: object = ip_address(request.remote_addr or "")
    except ValueError:  # a proxy may name it as it likes
        found = request.remote_addr
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Network((found, _NETWORK_OF_ONE), strict=False)
    return str(found)


def _budgets(view: Any) -> set[Budget]:
    """The stricter ones that this request is charged to: whatever comes with files costs what an upload does."""
    budget: Budget | None = getattr(view, "budget", None)
    return ({budget} if budget else set()) | ({Budget.UPLOAD} if files.are_sent() else set())


def _is_unlimited(view: Any) -> bool:
    if request.method == "OPTIONS" or request.path.startswith(_UNLIMITED):
        return True
    proof: Callable[[], bool] | None = getattr(view, "proof", None)
    return proof is not None and proof()
