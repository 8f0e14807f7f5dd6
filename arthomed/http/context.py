"""What surrounds every request: its id, its log line, the headers of its answer."""

import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl

import structlog
from flask import Flask, Response, current_app, g, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from arthomed.core import metrics, origin
from arthomed.core.actor import Actor

log = structlog.get_logger()

STARTED = "arthomed.started"
"""Where in a request's environment stands when it came."""
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_NAME = re.compile(r"[A-Za-z]{1,30}")
_ODD = re.compile(r"[^A-Za-z0-9 .,:;/()+_-]")
_LONGEST_AGENT = 200
_ACCEPTS_KNOWN = 100
_API = "/api/"
_PAGES = ("/api/docs",)
_FILE = ".ics"  # calendars ask for nothing else

# The specification's helmet set.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
    "img-src 'self' data: https:; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_NOT_KEPT = "no-store"
DEFAULT_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": _NOT_KEPT}
"""Of the API's answers, where one has no other: files and copies do."""


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.before_request(_refuse_what_is_not_acceptable)
    app.after_request(_finish)


def view() -> Callable[..., Any] | None:
    """The view of this request, which decorators have left their notes on; None for what leads nowhere."""
    return current_app.view_functions.get(request.endpoint or "")


def _begin() -> None:
    g.request_id = begin(request.headers.get("X-Request-ID", ""), request.remote_addr)


def begin(asked: str, address: str | None) -> str:
    """Begin the work of a request; the id that it goes by, which is the one asked for if that is sane."""
    request_id = asked if _SANE_REQUEST_ID.fullmatch(asked) else token_hex(16)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    origin.begin(origin.Origin(request_id, address))
    return request_id


def _refuse_what_is_not_acceptable() -> None:
    path = request.path
    gives_json = path.startswith(_API) and not path.startswith(_PAGES) and not path.endswith(_FILE)
    if gives_json and not accepts_json(request.headers.get("Accept", "")):
        raise NotAcceptable


@lru_cache(_ACCEPTS_KNOWN)
def accepts_json(header: str) -> bool:
    """By the narrowest range that fits (RFC 9110 section 12.5.1); parameters such as a charset are no matter."""
    accepted = parse_accept_header(header, MIMEAccept)
    if not accepted:
        return True
    for fitting in ("application/json", "application/*", "*/*"):
        qualities = [quality for media, quality in accepted if media.partition(";")[0].strip().lower() == fitting]
        if qualities:
            return max(qualities) > 0
    return False


def _finish(response: Response) -> Response:
    headers, path = response.headers, request.path
    headers.extend({**HEADERS, "X-Request-ID": g.request_id})
    headers.setdefault("Content-Security-Policy", _POLICY)
    if path.startswith(_API) and not path.startswith(_PAGES):
        headers.setdefault("Cache-Control", _NOT_KEPT)
    note(
        request.environ,
        request.url_rule.rule if request.url_rule else None,
        response.status_code,
        actor=g.get("actor"),
        code=g.get("error_code"),
        ids=request.view_args,
    )
    return response


def note(
    environ: Mapping[str, Any],
    route: str | None,
    status: int,
    *,
    actor: Actor | None,
    code: str | None = None,
    ids: Mapping[str, Any] | None = None,
) -> None:
    """Count a request and write its line, when it is over."""
    seconds, method = time.perf_counter() - environ[STARTED], environ["REQUEST_METHOD"]
    metrics.REQUESTS.observe(seconds, *((route, method) if route else ("none", "any")), str(status))  # or any word
    if code is not None:
        metrics.ERROR_RESPONSES.add(code)
    log.info(
        "request",
        method=method,
        route=route,
        url=_url(route, ids, environ.get("QUERY_STRING", "")),
        statusCode=status,
        duration=round(seconds * 1000, 1),  # milliseconds
        ip=environ.get("REMOTE_ADDR"),
        userAgent=_ODD.sub("?", environ.get("HTTP_USER_AGENT", ""))[:_LONGEST_AGENT],
        **({"userId": str(actor.user_id), "sessionId": str(actor.session_id)} if actor else {}),
        **({"code": str(code)} if code is not None else {}),
    )


def _url(route: str | None, ids: Mapping[str, Any] | None, query: str) -> str | None:
    """With the ids of records and the names of the query, and nothing else that a caller wrote."""
    if route is None:
        return None
    for name, value in (ids or {}).items():
        route = route.replace(f"<object_id:{name}>", str(value))
    names = "&".join(
        dict.fromkeys(name for name, _ in parse_qsl(query, keep_blank_values=True) if _NAME.fullmatch(name))
    )
    return f"{route}?{names}" if names else route
