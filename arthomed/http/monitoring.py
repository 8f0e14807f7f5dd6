"""For monitoring: health of the process, readiness of its dependencies, and the metrics for Prometheus."""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from threading import Lock
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, jsonify

from arthomed import __version__
from arthomed.config import Settings
from arthomed.core import clock
from arthomed.http.auth import public
from arthomed.http.limits import limiter

log = structlog.get_logger()
Check = Callable[[], Mapping[str, int] | None]
"""Raises when a dependency cannot be used; may return further figures about it."""
Checks = Mapping[str, Check]
Results = Mapping[str, Mapping[str, Any]]
"""By dependency: `ok`, `latencyMs` and the further figures."""

_STARTED = time.monotonic()
_CACHE_SECONDS = 1.0


class Readiness(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"  # messages wait, and sign-in may be unavailable
    UNAVAILABLE = "unavailable"


class CachedChecks:
    """Runs the checks at most once a second, because the route is public.

    Requests that arrive during a run get the previous results; only the first run makes them wait.
    """

    def __init__(self, checks: Checks, *, seconds: float = _CACHE_SECONDS) -> None:
        self._checks = checks
        self._seconds = seconds
        self._lock = Lock()
        self._results: Results = {}
        self._valid_until = 0.0

    def results(self) -> Results:
        is_first = not self._results
        if self._lock.acquire(blocking=is_first):
            try:
                if time.monotonic() >= self._valid_until:
                    self._results = {name: _run(name, check) for name, check in self._checks.items()}
                    self._valid_until = time.monotonic() + self._seconds
            finally:
                self._lock.release()
        return self._results


def register(app: Flask, settings: Settings, checks: Checks, *, essential: set[str]) -> None:
    """`essential` are the dependencies without which no request can be served."""
    cached_checks = CachedChecks(checks)
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    @public
    def live() -> Response:
        return jsonify(
            uptime=round(time.monotonic() - _STARTED, 3),
            message="OK",
            timestamp=int(clock.now().timestamp() * 1000),  # the specification's Date.now()
            environment=settings.app_env,
            version=__version__,
        )

    @blueprint.get("/health/ready")
    @public
    def ready() -> Response:
        results = cached_checks.results()
        failed = {name for name, result in results.items() if not result["ok"]}
        status = Readiness.DEGRADED if failed else Readiness.READY
        if failed & essential:
            status = Readiness.UNAVAILABLE
        response = jsonify(
            status=status, dependencies=results, warnings=settings.warnings, timestamp=clock.iso(clock.now())
        )
        response.status_code = 503 if status is Readiness.UNAVAILABLE else 200
        return response

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)


def register_metrics(app: Flask, render: Callable[[], tuple[bytes, str]]) -> None:
    """GET /metrics, which a proxy must not forward; `render` returns the body and its content type."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @public
    def metrics() -> Response:
        body, content_type = render()
        return Response(body, content_type=content_type)

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)


def _run(name: str, check: Check) -> Mapping[str, Any]:
    started = time.perf_counter()
    more: Mapping[str, int] = {}
    try:
        more = check() or {}
    except Exception as error:  # noqa: BLE001  any error means that it is not ready
        log.warning("not_ready", dependency=name, error=type(error).__name__)
        ok = False
    else:
        ok = True
    return {"ok": ok, "latencyMs": round((time.perf_counter() - started) * 1000, 1), **more}
