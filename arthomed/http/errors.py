"""From what went wrong to an answer: the only place that knows HTTP status numbers."""

import time
import traceback
from datetime import timedelta
from math import ceil
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, jsonify, request
from mongoengine.errors import OperationError
from pymongo.errors import ConnectionFailure, PyMongoError
from werkzeug.exceptions import HTTPException, InternalServerError

from arthomed.core import error_reporting
from arthomed.core.documents import is_database_away
from arthomed.core.errors import ClinicError, Code, ServiceUnavailable
from arthomed.core.jobs import JobsUnavailable
from arthomed.http.envelope import HttpCode, failure, refusal

log = structlog.get_logger()

STATUS_OF = {
    Code.VALIDATION_ERROR: 400,
    Code.MALFORMED_JSON: 400,
    Code.OTP_INVALID: 400,
    Code.OTP_EXPIRED: 400,
    Code.OTP_MAX_ATTEMPTS: 400,
    Code.SLOT_UNAVAILABLE: 400,
    Code.BOOKING_LIMIT_REACHED: 400,
    Code.DUPLICATE_VALUE: 400,
    Code.INVALID_STATUS_TRANSITION: 400,
    Code.TOO_LATE: 400,
    Code.FILE_TOO_LARGE: 400,
    Code.TOO_MANY_FILES: 400,
    Code.INVALID_FILE_TYPE: 400,
    Code.FILE_NOT_READY: 409,
    Code.NO_TOKEN: 401,
    Code.INVALID_TOKEN: 401,
    Code.TOKEN_EXPIRED: 401,
    Code.USER_NOT_FOUND: 401,
    Code.USER_INACTIVE: 401,
    Code.SESSION_REVOKED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.IDEMPOTENCY_KEY_REUSED: 422,
    Code.ACCOUNT_LOCKED: 423,
    Code.RATE_LIMIT_EXCEEDED: 429,
    Code.SERVICE_UNAVAILABLE: 503,
}

# What Werkzeug itself refuses: status -> code and words for a person.
_HTTP = {
    400: (Code.VALIDATION_ERROR, "The request could not be understood"),
    404: (Code.NOT_FOUND, "Resource not found"),
    405: (HttpCode.METHOD_NOT_ALLOWED, "This method is not allowed here"),
    406: (HttpCode.NOT_ACCEPTABLE, "Only application/json can be given"),
    413: (HttpCode.PAYLOAD_TOO_LARGE, "The request body is too large"),
    415: (HttpCode.UNSUPPORTED_MEDIA_TYPE, "The request body must be application/json"),
    429: (Code.RATE_LIMIT_EXCEEDED, "Too many requests, please try again later"),
}
_RETRY_WHEN_AWAY = timedelta(seconds=5)
_FUSE_SECONDS = 1.0


class Fuse:
    """Blown for a second by a database that did not answer, so that those who queue behind are told at once."""

    def __init__(self) -> None:
        self._until = 0.0

    def blow(self) -> None:
        self._until = time.monotonic() + _FUSE_SECONDS

    def is_blown(self) -> bool:
        return time.monotonic() < self._until

    def check(self) -> None:
        if self.is_blown() and request.path.startswith("/api/"):
            raise ServiceUnavailable(retry_after=_RETRY_WHEN_AWAY)


def register(app: Flask, *unavailable: type[Exception]) -> None:
    """`unavailable` are what else is a dependency out of reach."""
    app.extensions["fuse"] = fuse = Fuse()
    app.before_request(fuse.check)
    app.register_error_handler(ClinicError, _on_refusal)
    app.register_error_handler(HTTPException, on_http_exception)
    app.register_error_handler(PyMongoError, _on_database_error)
    app.register_error_handler(OperationError, _on_mongoengine_error)
    kinds: tuple[type[Exception], ...] = (JobsUnavailable, *unavailable)
    for kind in kinds:
        app.register_error_handler(kind, _on_unavailable)
    app.register_error_handler(Exception, _on_unexpected)


def refused(error: ClinicError) -> tuple[int, dict[str, Any], dict[str, str]]:
    """The status, the content and the headers of its answer."""
    status, headers = STATUS_OF[error.code], {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, ceil(error.retry_after.total_seconds())))
    if status == STATUS_OF[Code.NO_TOKEN]:
        headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    return status, refusal(status, error), headers


def _on_refusal(error: ClinicError) -> Response:
    g.error_code = error.code
    status, content, headers = refused(error)
    response = jsonify(content)
    response.status_code = status
    response.headers.update(headers)
    return response


def on_http_exception(error: HTTPException) -> Response:
    status = error.code or InternalServerError.code
    code, message = _HTTP.get(status, (error.name.upper().replace(" ", "_"), error.name))
    g.error_code = code
    response = failure(status, code, message)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value  # Allow of a 405, Location of a 308
    return response


def _on_database_error(error: PyMongoError) -> Response:
    if isinstance(error, ConnectionFailure):
        current_app.extensions["fuse"].blow()
    return _on_unavailable(error) if is_database_away(error) else _on_unexpected(error)


def _on_mongoengine_error(error: OperationError) -> Response:
    """MongoEngine hides some of the driver's errors behind its own."""
    hidden = error.__context__
    return _on_database_error(hidden) if isinstance(hidden, PyMongoError) else _on_unexpected(error)


def _on_unavailable(error: Exception) -> Response:
    log.error("dependency_away", error=type(error).__name__)
    return _on_refusal(ServiceUnavailable(retry_after=_RETRY_WHEN_AWAY))


def _on_unexpected(error: Exception) -> Response:
    log.error("unexpected_error", exc_info=error)
    actor = g.get("actor")
    error_reporting.report(error, str(request.url_rule), user_id=str(actor.user_id) if actor else None)
    more: dict[str, Any] = {"requestId": g.get("request_id", "")}
    if current_app.config["SHOW_STACK"]:
        more["stack"] = "".join(traceback.format_exception(error))
    g.error_code = HttpCode.INTERNAL_ERROR
    return failure(500, g.error_code, "Internal server error", **more)
