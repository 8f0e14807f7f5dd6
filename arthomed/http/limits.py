"""Rate limits with flask-limiter: a default for every route, shared limits for sign-in, booking and uploads.

The defaults count a signed-in user's requests on all devices together, and an anonymous address's. Counters are in
Redis; while it is unavailable flask-limiter counts in each process.
"""

import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limit, Limiter
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from arthomed.config import Settings
from arthomed.http import auth, files

_SCOPE = "all"
_SOCKET_SECONDS = 0.2
_IPV6_NETWORK_BITS = 64  # one subscriber has all addresses of such a network
_COUNT = b"""
local count = redis.call("incrby", KEYS[1], ARGV[2])
local ttl = redis.call("pttl", KEYS[1])
if ttl < 0 then
    ttl = ARGV[1] * 1000
    redis.call("pexpire", KEYS[1], ttl)
end
return {count, ttl}
"""


class OneRoundTripStorage(RedisStorage):
    """The Redis storage of `limits`, with one round trip where that needs three.

    flask-limiter increments a counter, and for the headers asks for its value and its expiry again. Here the script
    that increments returns both, and they are kept for the rest of the request.
    See https://limits.readthedocs.io/en/stable/custom-storage.html.
    """

    STORAGE_SCHEME = ["once+redis", "once+rediss", "once+unix"]

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix("once+"), **options)
        self._count = self.get_connection().register_script(_COUNT)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        count, ttl_ms = self._count([self.prefixed_key(key)], [expiry, amount])
        self._counted()[key] = count, time.time() + ttl_ms / 1000
        return int(count)

    def get(self, key: str) -> int:
        counted = self._counted().get(key)
        return counted[0] if counted else super().get(key)

    def get_expiry(self, key: str) -> float:
        counted = self._counted().get(key)
        return counted[1] if counted else super().get_expiry(key)

    @staticmethod
    def _counted() -> dict[str, tuple[int, float]]:
        counted: dict[str, tuple[int, float]] = g.setdefault("rate_limit_counters", {})
        return counted


def caller() -> str:
    """The caller for whom a request counts: the user of a well-signed access token, else the address."""
    user = auth.signed_user()
    return f"user:{user}" if user else address()


def refreshing_caller() -> str:
    """As `caller`, for a request whose body holds the refresh token of a user."""
    user = auth.refreshing_user()
    return f"user:{user}" if user else address()


def address() -> str:
    """The caller's address; for IPv6 its network, since a subscriber has all addresses of one."""
    try:
        found: object = ip_address(request.remote_addr or "")
    except ValueError:  # a proxy may name a client as it likes
        found = request.remote_addr
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Network((found, _IPV6_NETWORK_BITS), strict=False)
    return f"address:{found}"


def _configured(name: str) -> Callable[[], str]:
    return lambda: str(current_app.config["RATE_LIMITS"][name])


def _default_for(key_func: Callable[[], str]) -> Callable[[], str]:
    user, address_limit = _configured("user"), _configured("address")
    return lambda: user() if key_func().startswith("user:") else address_limit()


limiter = Limiter(
    caller,
    default_limits=[Limit(_default_for(caller), scope=_SCOPE, shared=True)],
    in_memory_fallback_enabled=True,
    swallow_errors=True,  # the fallback begins with the first error; requests of the same moment are not counted
    request_identifier=lambda: request.endpoint or "unknown",  # a path without a route is counted, too
)
limit_sign_in = limiter.shared_limit(_configured("auth"), "auth", key_func=address)
limit_bookings = limiter.shared_limit(_configured("booking"), "booking", override_defaults=False)
limit_uploads = limiter.shared_limit(
    _configured("upload"), "upload", override_defaults=False, exempt_when=lambda: not files.is_upload()
)
limit_refreshes = limiter.shared_limit(_default_for(refreshing_caller), _SCOPE, key_func=refreshing_caller)


def limit_unless(is_trusted: Callable[[], bool]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The default limit, except for requests that prove where they come from."""
    return limiter.shared_limit(_default_for(caller), _SCOPE, exempt_when=is_trusted)


@limiter.request_filter
def _is_preflight() -> bool:
    return request.method == "OPTIONS"


def register(app: Flask, settings: Settings) -> None:
    limits = settings.rate_limits
    window = int(limits.window.total_seconds())
    names = ("address", "user", "auth", "booking", "upload")
    app.config.update(
        RATE_LIMITS={name: f"{getattr(limits, name)} per {window} second" for name in names},
        RATELIMIT_STORAGE_URI=f"once+{settings.redis_url}",
        RATELIMIT_STORAGE_OPTIONS={
            "socket_timeout": _SOCKET_SECONDS,
            "socket_connect_timeout": _SOCKET_SECONDS,
            "retry": Retry(NoBackoff(), 1, (RedisConnectionError,)),  # an idle connection may have been closed
        },
    )
    limiter.init_app(app)
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    """Describe the limit that is exhausted first (draft-ietf-httpapi-ratelimit-headers-07: reset in seconds)."""
    limits = limiter.current_limits
    if not limits:
        return response
    tightest = min(limits, key=lambda limit: (not limit.breached, limit.remaining))
    reset = str(max(1, int(tightest.reset_at - time.time())))
    response.headers["RateLimit-Limit"] = str(tightest.limit.amount)
    response.headers["RateLimit-Remaining"] = str(max(0, tightest.remaining))
    response.headers["RateLimit-Reset"] = reset
    if tightest.breached:
        response.headers["Retry-After"] = reset
    return response
