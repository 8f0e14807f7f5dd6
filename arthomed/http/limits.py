"""How many requests one caller may make: a budget for each address, another for each signed-in user."""

from typing import Any

from flask import Flask, Response, request
from flask_limiter import Limiter
from redis.exceptions import RedisError

from arthomed.config import Settings
from arthomed.core import clock
from arthomed.http.auth import verified_claims

# float seconds; the library's annotation knows ints only
_STORAGE_OPTIONS: dict[str, Any] = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}
_UNLIMITED = ("/health", "/api/openapi.json", "/api/docs", "/dev/")


def register(app: Flask, settings: Settings) -> None:
    window = f"{int(settings.rate_limit_window.total_seconds())} seconds"

    def budget() -> str:
        allowed = settings.rate_limit_user if verified_claims() else settings.rate_limit_anonymous
        return f"{allowed} per {window}"

    limiter = Limiter(
        key_func=_caller,
        application_limits=[budget],
        storage_uri=settings.redis_url,
        storage_options=_STORAGE_OPTIONS,
        strategy="fixed-window",  # the only one that knows when the caller is free again
        in_memory_fallback_enabled=True,
        swallow_errors=True,  # requests that were waiting for the storage when another one found it dead
    )
    limiter.init_app(app)
    limiter.request_filter(_is_unlimited)
    app.after_request(lambda response: _told(response, limiter))


def _told(response: Response, limiter: Limiter) -> Response:
    """Tell what is left (draft-ietf-httpapi-ratelimit-headers-07: the reset is in seconds from now).

    The extension's own headers give a point in time, and a Retry-After on every answer.
    """
    limit = limiter.current_limit
    if limit is None:
        return response
    try:
        reset_at, remaining = limit.window
    except RedisError:  # it went away since the request came in
        return response
    reset = min(int(reset_at - clock.now().timestamp()) + 1, limit.limit.get_expiry())
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(remaining)
    response.headers["RateLimit-Reset"] = str(reset)
    if limit.breached:
        response.headers["Retry-After"] = str(reset)
    return response


def _caller() -> str:
    claims = verified_claims()
    return f"user:{claims['sub']}" if claims else f"address:{request.remote_addr}"


def _is_unlimited() -> bool:
    return request.method == "OPTIONS" or request.path.startswith(_UNLIMITED)
