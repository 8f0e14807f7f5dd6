"""How many requests one caller may make: a budget for each address, another for each user, stricter ones by route."""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter
from limits import RateLimitItem, WindowStats
from limits.storage import RedisStorage, StorageTypes
from limits.strategies import STRATEGIES, FixedWindowRateLimiter

from arthomed.config import Settings
from arthomed.core import clock
from arthomed.http import files
from arthomed.http.auth import verified_claims

View = TypeVar("View", bound=Callable[..., Any])
FindUser = Callable[[], str | None]
"""The id of the user whom a request without an access token is from, as far as it proves that."""

# float seconds; the library's annotation knows ints only
_STORAGE_OPTIONS: dict[str, Any] = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
_UNLIMITED = ("/health", "/metrics", "/api/openapi.json", "/api/docs", "/dev/")
_NETWORK_OF_ONE = 64
_COUNT = b"""
local count = redis.call("incrby", KEYS[1], ARGV[1])
local left = redis.call("pttl", KEYS[1])
if left < 0 then
    left = tonumber(ARGV[2])
    redis.call("pexpire", KEYS[1], left)
end
return {count, left}
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


def unlimited_if(proof: Callable[[], bool]) -> Callable[[View], View]:
    """A route that whoever proves to be the one it is for may call at will; others are charged as anywhere."""

    def decorate(view: View) -> View:
        view.proof = proof  # type: ignore[attr-defined]
        return view

    return decorate


class OneRoundTrip(FixedWindowRateLimiter):
    """A fixed window whose hit tells the window, too, so that the headers of the answer have nothing to ask.

    Fixed, because no other one knows when the caller is free again.
    """

    name = "fixed-window-one-round-trip"

    def __init__(self, storage: StorageTypes) -> None:
        super().__init__(storage)
        self._redis = storage if isinstance(storage, RedisStorage) else None
        self._count = self._redis and self._redis.get_connection().register_script(_COUNT)

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        key = item.key_for(*identifiers)
        if self._redis and self._count:
            count, left_ms = self._count([self._redis.prefixed_key(key)], [cost, item.get_expiry() * 1000])
            window = WindowStats(clock.now().timestamp() + left_ms / 1000, max(0, item.amount - count))
            is_within: bool = count <= item.amount
        else:
            is_within = super().hit(item, *identifiers, cost=cost)
            window = super().get_window_stats(item, *identifiers)
        g.setdefault("windows", {})[key] = window
        return is_within

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """As this request's hit found it, whether the storage is still there or not."""
        window: WindowStats = g.windows[item.key_for(*identifiers)]
        return window


STRATEGIES[OneRoundTrip.name] = OneRoundTrip


def register(app: Flask, settings: Settings) -> None:
    window = f"{int(settings.rate_limit_window.total_seconds())} seconds"

    def strict(budget: Budget, allowed: int, key: Callable[[], str]) -> ApplicationLimit:
        def provider() -> str:
            return f"{allowed} per {window}" if budget in _budgets() else ""

        return ApplicationLimit(limit_provider=provider, key_function=key, scope=budget)

    def general() -> str:
        allowed = settings.rate_limit_user if _user() else settings.rate_limit_anonymous
        return f"{allowed} per {window}"

    limiter = Limiter(
        key_func=_caller,
        application_limits=[  # what the first refuses is not charged to the next
            strict(Budget.AUTH, settings.rate_limit_auth, _address),
            strict(Budget.UPLOAD, settings.rate_limit_upload, _caller),
            strict(Budget.BOOKING, settings.rate_limit_booking, _caller),
            general,
        ],
        storage_uri=settings.redis_url,
        storage_options=_STORAGE_OPTIONS,
        strategy=OneRoundTrip.name,
        request_identifier=lambda: request.endpoint or "nowhere",  # the extension passes over what has no name
        in_memory_fallback_enabled=True,
        swallow_errors=True,  # requests that were waiting for the storage when another one found it dead
    )
    limiter.init_app(app)
    limiter.request_filter(_is_unlimited)
    app.after_request(lambda response: _told(response, limiter))


def _told(response: Response, limiter: Limiter) -> Response:
    """Tell what is left (draft-ietf-httpapi-ratelimit-headers-07: the reset is in seconds from now).

    Of several budgets the one that is used up first. The extension's own headers give a point in time, and a
    Retry-After on every answer.
    """
    if not limiter.current_limits:
        return response
    limit = min(limiter.current_limits, key=lambda one: (not one.breached, one.remaining))
    left = ceil(limit.window.reset_time - clock.now().timestamp())
    reset = min(max(left, 1), limit.limit.get_expiry())
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(limit.remaining)
    response.headers["RateLimit-Reset"] = str(reset)
    if limit.breached:
        response.headers["Retry-After"] = str(reset)
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


def _budgets() -> set[Budget]:
    """The stricter ones that this request is charged to: whatever comes with files costs what an upload does."""
    budget: Budget | None = getattr(_view(), "budget", None)
    return ({budget} if budget else set()) | ({Budget.UPLOAD} if files.are_sent() else set())


def _is_unlimited() -> bool:
    if request.method == "OPTIONS" or request.path.startswith(_UNLIMITED):
        return True
    proof: Callable[[], bool] | None = getattr(_view(), "proof", None)
    return proof is not None and proof()
