"""Rate limits with flask-limiter: a default for every route, shared limits for sign-in, booking and uploads.

A request counts for its session when its token is well signed, else for its address, so that a stolen token uses up no
other session's limit. Counters are in Redis; while it is unavailable flask-limiter counts in each process.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import Limit, Limiter, RequestLimit
from flask_limiter.errors import RateLimitExceeded as LimitBreached
from limits import parse
from limits.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from arthomed.config import Settings
from arthomed.core.errors import AddressLimitExceeded, RateLimitExceeded
from arthomed.http import errors, files, signed_tokens

_SCOPE = "all"
_SOCKET_SECONDS = 0.2
_IPV6_NETWORKS = (64, 56, 48)  # one subscriber has all addresses of the first, and often of the others
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

    def check(self) -> bool:
        """Whether Redis counts again; one that is full, or a replica, answers a PING but does not count."""
        with suppress(RedisError):
            return bool(self._count([self.prefixed_key("check")], [1, 1]))
        return False

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
    """The caller for whom a request counts: the session of a well-signed access token, else the address."""
    session = signed_tokens.signed_session()
    return f"session:{session}" if session else address_key()


def refreshing_caller() -> str:
    """As `caller`, for a request whose body holds a refresh token."""
    session = signed_tokens.refreshing_session()
    return f"session:{session}" if session else address_key()


def address_key() -> str:
    """The caller's address as a key of limits; for IPv6 its /64 network, which a subscriber has at least."""
    return f"address:{networks()[0]}"


def subscriber() -> str:
    """The caller's IPv4 address, or /56 network: providers give a household one of these."""
    return networks()[:2][-1]


def networks() -> list[str]:
    """The caller's address; for IPv6 its /64, /56 and /48 networks."""
    try:
        found = ip_address(request.remote_addr or "")
    except ValueError:  # a proxy may name a client as it likes
        return [str(request.remote_addr)]
    if not isinstance(found, IPv6Address):
        return [str(found)]
    if found.ipv4_mapped:
        return [str(found.ipv4_mapped)]
    return [str(IPv6Network((found, bits), strict=False)) for bits in _IPV6_NETWORKS]


def _configured(name: str) -> Callable[[], str]:
    return lambda: str(current_app.config["RATE_LIMITS"][name])


_address_limit, _session_limit = _configured("address"), _configured("user")


def _booking_limit() -> str:
    """The reception books and moves for all patients."""
    return str(current_app.config["RATE_LIMITS"]["staff_booking" if signed_tokens.is_of_staff() else "booking"])


def _default_for(key_func: Callable[[], str]) -> Callable[[], str]:
    return lambda: _session_limit() if key_func().startswith("session:") else _address_limit()


limiter = Limiter(
    caller,
    default_limits=[Limit(_default_for(caller), scope=_SCOPE, shared=True)],
    in_memory_fallback_enabled=True,
    swallow_errors=True,  # the fallback begins with the first error; requests of the same moment are not counted
    request_identifier=lambda: request.endpoint or "unknown",  # a path without a route is counted, too
)
limit_sign_in = limiter.shared_limit(_configured("auth"), "auth", key_func=address_key)
limit_bookings = limiter.shared_limit(_booking_limit, "booking", override_defaults=False)
limit_uploads = limiter.shared_limit(
    _configured("upload"), "upload", override_defaults=False, exempt_when=lambda: not files.is_upload()
)
limit_refreshes = limiter.shared_limit(_default_for(refreshing_caller), _SCOPE, key_func=refreshing_caller)


limit_static = limiter.shared_limit(_configured("static"), "static", key_func=address_key)
limit_polling = limiter.shared_limit(_configured("poll"), "poll")


def limit_unless(is_trusted: Callable[[], bool]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The default limit, except for requests that prove where they come from."""
    return limiter.shared_limit(_default_for(caller), _SCOPE, exempt_when=is_trusted)


def count_for_address() -> None:
    """Count a request for its address, unless that is done, because the session of its token is over.

    Raises:
        RateLimitExceeded
    """
    limit, key = parse(_address_limit()), (address_key(), _SCOPE)
    if limit.key_for(*key) in {one.key for one in limiter.current_limits}:
        return
    with suppress(RedisError):  # flask-limiter notices at the next request, and counts in memory
        if not limiter.limiter.hit(limit, *key):
            seconds = limiter.limiter.get_window_stats(limit, *key).reset_time - time.time()
            raise AddressLimitExceeded(retry_after=timedelta(seconds=seconds))


@limiter.request_filter
def _is_preflight() -> bool:
    return request.method == "OPTIONS"


def register(app: Flask, settings: Settings) -> None:
    limits = settings.rate_limits
    window = int(limits.window.total_seconds())
    names = ("address", "user", "auth", "booking", "staff_booking", "upload", "static", "poll")
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
    app.register_error_handler(LimitBreached, _on_breach)
    app.after_request(_add_headers)


def _on_breach(_error: LimitBreached) -> Response:
    breached: RequestLimit | None = limiter.current_limit
    is_session = breached is not None and any(one.startswith("session:") for one in breached.request_args)
    return errors.respond_to(RateLimitExceeded() if is_session else AddressLimitExceeded())


def _add_headers(response: Response) -> Response:
    """Describe the limit that is exhausted first (draft-ietf-httpapi-ratelimit-headers-07: reset in seconds)."""
    limits = limiter.current_limits
    if not limits:
        return response
    try:
        tightest = min(limits, key=lambda limit: (not limit.breached, limit.remaining))
    except RedisError:  # the response of a request that was done is not lost
        return response
    reset = str(max(1, int(tightest.reset_at - time.time())))
    response.headers["RateLimit-Limit"] = str(tightest.limit.amount)
    response.headers["RateLimit-Remaining"] = str(max(0, tightest.remaining))
    response.headers["RateLimit-Reset"] = reset
    if tightest.breached:
        response.headers["Retry-After"] = reset
    return response
