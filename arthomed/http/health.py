"""Whether this process lives, and whether all that it needs is there."""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, jsonify

from arthomed import __version__
from arthomed.config import Settings
from arthomed.core import clock
from arthomed.http.auth import public
from arthomed.http.limits import limiter

log = structlog.get_logger()
Checks = Mapping[str, Callable[[], Mapping[str, int] | None]]
"""By dependency: a call that raises when it can't be used, and may tell more of it."""

_STARTED = time.monotonic()


class Readiness(StrEnum):
    READY = "ready"
    DEGRADED = "degraded"  # messages wait and sign-in may be closed; the rest is served
    UNAVAILABLE = "unavailable"


def register(app: Flask, settings: Settings, checks: Checks, *, essential: set[str]) -> None:
    """`essential` are the dependencies without which nothing can be served."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    @public
    def live() -> Response:
        return jsonify(
            uptime=round(time.monotonic() - _STARTED, 3),
            message="OK",
            timestamp=clock.iso(clock.now()),
            environment=settings.app_env,
            version=__version__,
        )

    @blueprint.get("/health/ready")
    @public
    def ready() -> Response:
        found = {name: _checked(name, check) for name, check in checks.items()}
        away = {name for name, one in found.items() if not one["ok"]}
        status = Readiness.DEGRADED if away else Readiness.READY
        if away & essential:
            status = Readiness.UNAVAILABLE
        response = jsonify(status=status, dependencies=found, timestamp=clock.iso(clock.now()))
        response.status_code = 503 if status is Readiness.UNAVAILABLE else 200
        return response

    limiter.exempt(blueprint)
    app.register_blueprint(blueprint)


def _checked(name: str, check: Callable[[], Mapping[str, int] | None]) -> dict[str, Any]:
    started = time.perf_counter()
    more: Mapping[str, int] = {}
    try:
        more = check() or {}
    except Exception as error:  # noqa: BLE001  whatever is wrong with it, it is not ready
        log.warning("not_ready", dependency=name, error=type(error).__name__)
        ok = False
    else:
        ok = True
    return {"ok": ok, "latencyMs": round((time.perf_counter() - started) * 1000, 1), **more}
