"""What surrounds every request: its id, its log line, the headers of its answer."""

import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable

from arthomed.core import metrics, origin

log = structlog.get_logger()

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_NAME = re.compile(r"[A-Za-z]{1,30}")
_ODD = re.compile(r"[^A-Za-z0-9 .,:;/()+_-]")
_LONGEST_AGENT = 200
_API = "/api/"
_PAGES = ("/api/docs",)
_FILE = ".ics"  # calendars ask for nothing else

# The specification's helmet set.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "img-src 'self' data: https:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.before_request(_refuse_what_is_not_acceptable)
    app.after_request(_finish)


def view() -> Callable[..., Any] | None:
    """The view of this request, which decorators have left their notes on; None for what leads nowhere."""
    return current_app.view_functions.get(request.endpoint or "")


def _begin() -> None:
    asked = request.headers.get("X-Request-ID", "")
    g.request_id = asked if _SANE_REQUEST_ID.fullmatch(asked) else uuid4().hex
    g.started = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    origin.begin(origin.Origin(g.request_id, request.remote_addr))


def _refuse_what_is_not_acceptable() -> None:
    path, accepted = request.path, request.accept_mimetypes
    gives_json = path.startswith(_API) and not path.startswith(_PAGES) and not path.endswith(_FILE)
    if gives_json and accepted and not _accepts_json(accepted):
        raise NotAcceptable


def _accepts_json(accepted: MIMEAccept) -> bool:
    """By the narrowest range that fits (RFC 9110 section 12.5.1); parameters such as a charset are no matter."""
    for fitting in ("application/json", "application/*", "*/*"):
        qualities = [quality for media, quality in accepted if media.partition(";")[0].strip().lower() == fitting]
        if qualities:
            return max(qualities) > 0
    return False


def _finish(response: Response) -> Response:
    headers, path = response.headers, request.path
    headers.extend({**_HEADERS, "X-Request-ID": g.request_id})
    headers.setdefault("Content-Security-Policy", _POLICY)  # files have another
    if path.startswith(_API) and not path.startswith(_PAGES):
        headers.setdefault("Cache-Control", "no-store")
    route, seconds = request.url_rule.rule if request.url_rule else None, time.perf_counter() - g.started
    _count(route, response.status_code, seconds)
    log.info(
        "request",
        method=request.method,
        route=route,
        url=_url(route),
        statusCode=response.status_code,
        duration=round(seconds * 1000, 1),  # milliseconds
        ip=request.remote_addr,
        userAgent=_ODD.sub("?", request.headers.get("User-Agent", ""))[:_LONGEST_AGENT],
        **_caller(),
        **({"code": str(g.error_code)} if "error_code" in g else {}),
    )
    return response


def _count(route: str | None, status: int, seconds: float) -> None:
    """Without a route the method may be any word, too."""
    metrics.REQUESTS.observe(seconds, *((route, request.method) if route else ("none", "any")), str(status))
    if "error_code" in g:
        metrics.REFUSALS.add(g.error_code)


def _url(route: str | None) -> str | None:
    """With the ids of records and the names of the query, and nothing else that a caller wrote."""
    if route is None:
        return None
    for name, value in (request.view_args or {}).items():
        route = route.replace(f"<object_id:{name}>", str(value))
    names = "&".join(name for name in request.args if _NAME.fullmatch(name))
    return f"{route}?{names}" if names else route


def _caller() -> dict[str, str]:
    actor = g.get("actor")
    return {"userId": str(actor.user_id), "sessionId": str(actor.session_id)} if actor else {}
