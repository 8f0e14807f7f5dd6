"""What counting costs a request: `python -m bench.limits [ROUNDS]`."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any
from unittest.mock import patch

from flask import Flask
from limits.strategies import STRATEGIES, FixedWindowRateLimiter
from redis import Redis

from arthomed.app import create_app
from arthomed.config import settings
from arthomed.http import limits
from arthomed.infra import migrations
from dev.servers import Mongo, Valkey
from tests import factories

_ROUNDS, _WARM_UP, _COUNTED = 1000, 100, 100
_MANY = "1000000000"
_COUNTERS = ("total_reads_processed", "total_commands_processed")
Ask = Callable[[], float]


class _Library(FixedWindowRateLimiter):
    """As the library has it: the window is asked for when the headers are written."""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    with _redis() as redis:
        asks = _asks()
        times: dict[str, list[float]] = {name: [] for name in asks}
        for _ in range(_WARM_UP + rounds):
            for name, ask in asks.items():
                times[name].append(ask())
        print(f"GET /api/auth/me, {rounds} rounds{'median':>14}{'p95':>9}{'Redis: round trips':>22}{'commands':>10}")
        for name, ask in asks.items():
            points, (trips, commands) = quantiles(times[name][_WARM_UP:], n=20), _asked_of(redis, ask)
            print(f"{name:32}{points[9]:8.2f} ms{points[18]:6.2f} ms{trips:22.1f}{commands:10.1f}")


@contextmanager
def _redis() -> Iterator[Redis]:
    """Servers of its own, which this process is configured with from now on."""
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name)) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        Redis.from_url(valkey.url) as redis,
    ):
        servers = {"MONGODB_URI": mongo.uri("arthomed"), "REDIS_URL": valkey.url, "VAR_DIR": name}
        os.environ.update(servers, APP_ENV="test", LOG_LEVEL="error", RATE_LIMIT_USER_MAX_REQUESTS=_MANY)
        yield redis


def _asks() -> dict[str, Ask]:
    with patch.object(limits, "register"):
        without = create_app(settings())
    with patch.dict(STRATEGIES, {limits.OneRoundTrip.name: _Library}):
        library = create_app(settings())
    ours = create_app(settings())
    migrations.upgrade(settings().mongodb_uri)
    headers = factories.sign_in(ours).headers
    apps = {"not counted": without, "counted as the library does": library, "counted in one round trip": ours}
    return {name: _ask(app, headers) for name, app in apps.items()}


def _ask(app: Flask, headers: dict[str, str]) -> Ask:
    client = app.test_client()

    def ask() -> float:
        started = time.perf_counter()
        answer = client.get("/api/auth/me", headers=headers)
        took = (time.perf_counter() - started) * 1000
        if not answer.json or not answer.json["success"]:
            sys.exit(f"unexpected: {answer.text}")
        return took

    return ask


def _asked_of(redis: Redis, ask: Ask) -> tuple[float, float]:
    """Round trips (reads from sockets) and commands, those within scripts included, for each request."""
    before: Any = redis.info("stats")
    for _ in range(_COUNTED):
        ask()
    after: Any = redis.info("stats")
    trips, commands = (after[name] - before[name] - 1 for name in _COUNTERS)  # the one is the first question itself
    return trips / _COUNTED, commands / _COUNTED


if __name__ == "__main__":
    main()
