"""Error responses: the only module with HTTP status codes."""

import time
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request
from mongoengine.errors import OperationError
from pymongo.errors import ConnectionFailure, PyMongoError
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, InternalServerError

from arthomed.core import error_reporting, metrics
from arthomed.core.documents import is_database_unavailable
from arthomed.core.errors import ClinicError, Code, FieldError, ServiceUnavailable
from arthomed.http import context, envelope, pages
from arthomed.http.envelope import HttpCode, failure_body
from arthomed.http.json import encode

log = structlog.get_logger()

STATUS_OF = {
    **dict.fromkeys(Code, 400),
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

HTTP_ERRORS = {
    400: (Code.VALIDATION_ERROR, "The request could not be understood"),
    404: (Code.NOT_FOUND, "Resource not found"),
    405: (HttpCode.METHOD_NOT_ALLOWED, "This method is not allowed here"),
    406: (HttpCode.NOT_ACCEPTABLE, "The Accept header excludes what can be given: application/json, or the file"),
    412: (HttpCode.PRECONDITION_FAILED, "The file is not the one that If-Match names"),
    413: (HttpCode.PAYLOAD_TOO_LARGE, "The request body is too large"),
    414: (Code.VALIDATION_ERROR, "The URL is too long"),
    415: (HttpCode.UNSUPPORTED_MEDIA_TYPE, "The request body is compressed, or has a media type that is not accepted"),
    416: (HttpCode.REQUESTED_RANGE_NOT_SATISFIABLE, "Requested Range Not Satisfiable"),
    417: (Code.VALIDATION_ERROR, "The Expect header must be 100-continue"),
    431: (Code.VALIDATION_ERROR, "The request headers are too large"),
    500: (HttpCode.INTERNAL_ERROR, "Internal server error"),
}
"""Errors that Werkzeug or gunicorn raises: status -> code and message."""

Renderer = Callable[[int, str, str], Response]
"""The page about an error: from its status, code and message."""

_RETRY_AFTER = timedelta(seconds=5)
_OPEN_SECONDS = 1.0


class CircuitBreaker:
    """Refuses requests for a second after the database did not answer, so that they do not queue for time-outs."""

    def __init__(self) -> None:
        self._open_until = 0.0

    def open(self) -> None:
        self._open_until = time.monotonic() + _OPEN_SECONDS

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def check(self) -> None:
        if self.is_open and (request.path.startswith("/api/") or pages.is_page()):
            raise ServiceUnavailable(retry_after=_RETRY_AFTER)


def register(app: Flask, *unavailable: type[Exception]) -> None:
    """`unavailable` are the exceptions for a dependency that cannot be reached."""
    app.extensions["circuit_breaker"] = circuit_breaker = CircuitBreaker()
    app.before_request(circuit_breaker.check)
    app.register_error_handler(ClinicError, respond_to)
    app.register_error_handler(ServiceUnavailable, _on_service_unavailable)
    app.register_error_handler(HTTPException, on_http_exception)
    app.register_error_handler(PyMongoError, _on_database_error)
    app.register_error_handler(OperationError, _on_database_error)
    for kind in unavailable:
        app.register_error_handler(kind, _on_unavailable)
    app.register_error_handler(Exception, _on_unexpected)


def render_pages(app: Flask, renderer: Renderer) -> None:
    """Answer requests for pages with pages, also about errors."""
    app.extensions["error_page"] = renderer


def failure(status: int, code: str, message: str, *, fields: Sequence[FieldError] = (), **more: Any) -> Response:
    """An error response: a page for pages, else the envelope."""
    renderer: Renderer | None = current_app.extensions.get("error_page")
    if renderer is not None and pages.is_page():
        return renderer(status, code, message)
    return envelope.failure(status, code, message, fields=fields, **more)


def respond_to(error: ClinicError) -> Response:
    """The response that explains an error."""
    g.error_code = error.code
    status = STATUS_OF[error.code]
    response = failure(status, error.code, str(error), fields=error.fields, **{"details": error.details, **error.extra})
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, ceil(error.retry_after.total_seconds())))
    if status == STATUS_OF[Code.NO_TOKEN] and not pages.is_page():
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    return response


def on_http_exception(error: HTTPException) -> Response:
    status, code, message = _describe(error)
    g.error_code = code
    response = failure(status, code, message)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value  # Allow of a 405, Location of a 308
    return response


def serialize_refusal(error: HTTPException, address: str, reason: str) -> bytes:
    """The whole response to a request that the server could not read, so that Flask has no request to respond to.

    The log has the `reason`, which must not quote the request.
    """
    status, code, message = _describe(error)
    request_id = context.new_request_id()
    metrics.ERROR_RESPONSES.add(code)
    log.warning(
        "unreadable_request", reason=reason, statusCode=status, ip=address, code=str(code), request_id=request_id
    )
    body = encode(failure_body(status, code, message))
    headers = Headers(
        {
            **context.common_headers(request_id),
            "Cache-Control": "no-store",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return f"HTTP/1.1 {status} {error.name}\r\n{headers}".encode() + body


def _describe(error: HTTPException) -> tuple[int, str, str]:
    """The status, code and message of an error."""
    status = error.code or InternalServerError.code
    return (status, *HTTP_ERRORS.get(status, (error.name.upper().replace(" ", "_"), error.name)))


def _on_database_error(error: PyMongoError | OperationError) -> Response:
    if isinstance(error, OperationError) and isinstance(error.__context__, PyMongoError):
        error = error.__context__  # MongoEngine hides some of the driver's errors behind its own
    # When the time for a transaction is over, the driver raises ExecutionTimeout from the last error.
    if isinstance(error, ConnectionFailure) or isinstance(error.__cause__, ConnectionFailure):
        current_app.extensions["circuit_breaker"].open()
    return _on_unavailable(error) if is_database_unavailable(error) else _on_unexpected(error)


def _on_service_unavailable(error: ServiceUnavailable) -> Response:
    error.retry_after = error.retry_after or _RETRY_AFTER
    return respond_to(error)


def _on_unavailable(error: Exception) -> Response:
    log.error("dependency_unavailable", error=type(error).__name__)
    return respond_to(ServiceUnavailable(retry_after=_RETRY_AFTER))


def _on_unexpected(error: Exception) -> Response:
    log.error("unexpected_error", exc_info=error)
    actor = g.get("actor")
    error_reporting.report(error, str(request.url_rule), user_id=str(actor.user_id) if actor else None)
    more: dict[str, Any] = {"requestId": g.get("request_id", "")}
    if current_app.config["SHOW_STACK"]:
        more["stack"] = "".join(traceback.format_exception(error))
    g.error_code = HttpCode.INTERNAL_ERROR
    return failure(500, g.error_code, "Internal server error", **more)
