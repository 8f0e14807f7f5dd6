"""What surrounds every request: its id, its log line, and the headers of its response."""

import re
import time
from collections.abc import Callable
from http import HTTPStatus
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import NotAcceptable

from arthomed.core import metrics, origin
from arthomed.http import pages
from arthomed.http.accept import ANY_BYTES, JSON, accepts

log = structlog.get_logger()

_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_PARAMETER_NAME = re.compile(r"[A-Za-z]{1,30}")
_ODD_CHARACTER = re.compile(r"[^A-Za-z0-9 .,:;/()+_-]")
_MAX_USER_AGENT = 200
_API = "/api/"
_DOCS = "/api/docs"

_CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "img-src 'self' data: https:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
_SECURITY_HEADERS = {  # as Express' helmet sets them, which the specification names
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
}


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.before_request(_refuse_unacceptable)
    app.after_request(_finish)


def new_request_id() -> str:
    return token_hex(16)


def common_headers(request_id: str) -> dict[str, str]:
    """The headers of every response; that of a file has its own content security policy."""
    return {**_SECURITY_HEADERS, "X-Request-ID": request_id}


def view() -> Callable[..., Any] | None:
    """The view of this request, on which decorators leave attributes; None when no route matches."""
    return current_app.view_functions.get(request.endpoint or "")


def _begin() -> None:
    """Start the clock and use the client's request id if it is valid."""
    g.started = time.perf_counter()
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if _VALID_REQUEST_ID.fullmatch(sent) else new_request_id()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    origin.set_current(origin.Origin(g.request_id, request.remote_addr))


def _refuse_unacceptable() -> None:
    if request.path.startswith(_API) and not request.path.startswith(_DOCS):
        require_acceptable(*getattr(view(), "media_types", ()))


def require_acceptable(*file_types: str) -> None:
    """Require that the client accepts JSON or, where there are any, a file of one of these types.

    Raises:
        NotAcceptable
    """
    given = (JSON, *file_types, ANY_BYTES) if file_types else (JSON,)
    if not accepts(request.headers.get("Accept", ""), *given):
        raise NotAcceptable


def _finish(response: Response) -> Response:
    headers, path = response.headers, request.path
    headers.extend({name: value for name, value in common_headers(g.request_id).items() if name not in headers})
    if (path.startswith(_API) and not path.startswith(_DOCS)) or pages.is_page():
        headers.setdefault("Cache-Control", "no-store")
    _log(response.status_code)
    return response


def _log(status: int) -> None:
    """Count the request and write its log line, with `duration` in milliseconds."""
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else None
    metrics.REQUESTS.observe(seconds, *((route, request.method) if route else ("none", "any")), str(status))
    actor, code = g.get("actor"), g.get("error_code")
    if code is not None:
        metrics.ERROR_RESPONSES.add(code)
    write = log.error if status >= HTTPStatus.BAD_REQUEST else log.info  # the specification requires it
    write(
        "request",
        method=request.method,
        route=route,
        url=_url(route),
        statusCode=status,
        duration=round(seconds * 1000, 1),
        ip=request.remote_addr,
        userAgent=_ODD_CHARACTER.sub("?", request.headers.get("User-Agent", ""))[:_MAX_USER_AGENT],
        userId=str(actor.user_id) if actor else "anonymous",
        **({"sessionId": str(actor.session_id)} if actor else {}),
        **({"code": str(code)} if code is not None else {}),
    )


def _url(route: str | None) -> str | None:
    """The route with the ids of records and the names of query parameters, and nothing else that a client wrote."""
    if route is None:
        return None
    for name, value in (request.view_args or {}).items():
        route = route.replace(f"<object_id:{name}>", str(value))
    query = request.query_string.decode("latin1")
    parameters = (name for name, _ in parse_qsl(query, keep_blank_values=True) if _PARAMETER_NAME.fullmatch(name))
    names = "&".join(dict.fromkeys(parameters))
    return f"{route}?{names}" if names else route
