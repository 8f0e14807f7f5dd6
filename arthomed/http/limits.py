"""How many requests one caller may make: a budget for each address, another for each user, stricter ones by route."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, request
from limits.storage import MemoryStorage
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from werkzeug.exceptions import TooManyRequests

from arthomed.config import Settings
from arthomed.http.auth import verified_claims

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])
FindUser = Callable[[], str | None]
"""The id of the user whom a request without an access token is from, as far as it proves that."""

_REDIS_SECONDS = 0.2
_AWAY_SECONDS = 1.0
_UNLIMITED = ("/health", "/api/openapi.json", "/api/docs", "/dev/")
_NETWORK_OF_ONE = 64
_COUNT = b"""
local told = {}
for number, key in ipairs(KEYS) do
    local count, left = redis.call("incr", key), redis.call("pttl", key)
    if left < 0 then
        left = tonumber(ARGV[1])
        redis.call("pexpire", key, left)
    end
    table.insert(told, {count, left})
    if count > tonumber(ARGV[number + 1]) then break end
end
return told
"""


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


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of one budget after this request was counted; `left` is the time until it is whole again."""

    allowed: int
    count: int
    left: float

    @property
    def is_overdrawn(self) -> bool:
        return self.count > self.allowed

    @property
    def remaining(self) -> int:
        return max(0, self.allowed - self.count)


class Counter:
    """Counts in fixed windows, since no others know when the caller is free again.

    All the budgets of a request cost one round trip; what the first refuses is not charged to the next. While Redis
    is away each process counts in its own memory.
    """

    def __init__(self, redis_url: str, window: timedelta) -> None:
        seconds = {"socket_timeout": _REDIS_SECONDS, "socket_connect_timeout": _REDIS_SECONDS}
        self._redis = Redis.from_url(redis_url, retry=Retry(NoBackoff(), 1), **seconds)
        self._script = self._redis.register_script(_COUNT)
        self._seconds = int(window.total_seconds())
        self._memory = MemoryStorage()
        self._away_until = 0.0

    def count(self, budgets: Mapping[str, int]) -> list[Window]:
        """Count one request in each budget: what it is called, and how many are allowed."""
        if time.monotonic() >= self._away_until:
            try:
                told = self._script(list(budgets), [self._seconds * 1000, *budgets.values()])
            except RedisError as error:
                self._away_until = time.monotonic() + _AWAY_SECONDS
                log.warning("limits_in_memory", error=type(error).__name__)
            else:
                counted = zip(budgets.values(), told, strict=False)
                return [Window(allowed, count, left / 1000) for allowed, (count, left) in counted]
        return self._count_in_memory(budgets)

    def _count_in_memory(self, budgets: Mapping[str, int]) -> list[Window]:
        windows: list[Window] = []
        for name, allowed in budgets.items():
            count = self._memory.incr(name, self._seconds)
            windows.append(Window(allowed, count, self._memory.get_expiry(name) - time.time()))
            if windows[-1].is_overdrawn:
                break
        return windows


def register(app: Flask, settings: Settings) -> None:
    counter = Counter(settings.redis_url, settings.rate_limit_window)
    strict = {
        Budget.AUTH: (settings.rate_limit_auth, _address),
        Budget.BOOKING: (settings.rate_limit_booking, _caller),
        Budget.UPLOAD: (settings.rate_limit_upload, _caller),
    }

    def count() -> None:
        if _is_unlimited():
            return
        budgets: dict[str, int] = {}
        if (budget := getattr(_view(), "budget", None)) is not None:
            allowed, whose = strict[budget]
            budgets[f"limit:{budget}:{whose()}"] = allowed
        budgets[f"limit:{_caller()}"] = settings.rate_limit_user if _user() else settings.rate_limit_anonymous
        g.windows = counter.count(budgets)
        if g.windows[-1].is_overdrawn:
            raise TooManyRequests

    app.before_request(count)
    app.after_request(_tell)


def _tell(response: Response) -> Response:
    """Tell what is left (draft-ietf-httpapi-ratelimit-headers-07: the reset is in seconds from now).

    Of several budgets the one that is used up first.
    """
    windows: list[Window] | None = g.get("windows")
    if windows is None:
        return response
    window = min(windows, key=lambda one: (not one.is_overdrawn, one.remaining))
    reset = str(max(ceil(window.left), 1))
    response.headers["RateLimit-Limit"] = str(window.allowed)
    response.headers["RateLimit-Remaining"] = str(window.remaining)
    response.headers["RateLimit-Reset"] = reset
    if window.is_overdrawn:
        response.headers["Retry-After"] = reset
    return response


def _caller() -> str:
    user = _user()
    return f"user:{user}" if user else _address()


def _user() -> str | None:
    if "charged_user" not in g:
        find_user: FindUser = getattr(_view(), "find_user", _signed_in_user)
        g.charged_user = find_user()
    user: str | None = g.charged_user
    return user


def _signed_in_user() -> str | None:
    claims = verified_claims()
    return claims["sub"] if claims else None


def _address() -> str:
    return f"address:{network()}"


def network() -> str:
    """The caller's address; of IPv6 the network, since whoever has one address of it has all of them."""
    try:
        found: object = ip_address(request.remote_addr or "")
    except ValueError:  # a proxy may name it as it likes
        found = request.remote_addr
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Network((found, _NETWORK_OF_ONE), strict=False)
    return str(found)


def _view() -> Callable[..., Any] | None:
    return current_app.view_functions.get(request.endpoint or "")


def _is_unlimited() -> bool:
    return request.method == "OPTIONS" or request.path.startswith(_UNLIMITED)
