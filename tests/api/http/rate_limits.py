"""Rate limit headers, and the counters behind them."""

from typing import Any

from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from arthomed.config import settings
from tests.stack import wait_for

REFUSAL = (429, "RATE_LIMIT_EXCEEDED")


def limit_and_remaining(response: TestResponse) -> tuple[int, int]:
    return int(response.headers["RateLimit-Limit"]), int(response.headers["RateLimit-Remaining"])


def reset(response: TestResponse) -> int:
    """The seconds until the limit is reset."""
    return int(response.headers["RateLimit-Reset"])


def counters(redis: Any, address: str = "127.0.0.1") -> list[bytes]:
    """The keys of the counters of an address."""
    return list(redis.scan_iter(f"*{address}*"))


def wait_until_redis_counts(app: Flask) -> None:
    """Wait until the limiter, which all apps of this process share, has left its in-memory fallback."""

    def is_counted() -> bool:
        app.test_client().get("/api/auth/me", environ_base={"REMOTE_ADDR": "203.0.113.250"})
        return bool(counters(redis, "203.0.113.250"))

    with Redis.from_url(settings().redis_url) as redis:
        wait_for(is_counted, seconds=40, what="counting in Redis")
