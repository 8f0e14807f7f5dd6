"""How many requests one caller may make: a budget for each address, another for each signed-in user."""

from typing import Any

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.constants import HeaderNames

from arthomed.config import Settings
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
        strategy="sliding-window-counter",
        in_memory_fallback_enabled=True,
        headers_enabled=True,
        header_name_mapping={
            HeaderNames.LIMIT: "RateLimit-Limit",
            HeaderNames.REMAINING: "RateLimit-Remaining",
            HeaderNames.RESET: "RateLimit-Reset",
        },
    )
    limiter.init_app(app)
    limiter.request_filter(_is_unlimited)


def _caller() -> str:
    claims = verified_claims()
    return f"user:{claims['sub']}" if claims else f"address:{request.remote_addr}"


def _is_unlimited() -> bool:
    return request.method == "OPTIONS" or request.path.startswith(_UNLIMITED)
