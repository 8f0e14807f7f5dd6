"""A screen that nobody uses is locked: it shows nothing about patients until a new code is entered.

The time of the last input is in the session, so that it counts for all windows of a browser. Polling is no input, and
says so in a header; any other request is one, and so is a poll after somebody touched the keyboard or the mouse.
"""

from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, make_response, redirect, request, url_for

from arthomed.auth.service import sessions
from arthomed.config import Settings
from arthomed.core import clock
from arthomed.dashboard.problems import is_partial
from arthomed.http import auth, pages
from arthomed.http.auth import current_actor

IDLE_HEADER = "X-Idle"
_NOTED_AFTER = timedelta(seconds=20)


def register(app: Flask, settings: Settings) -> None:
    app.config["DASHBOARD_IDLE"] = settings.dashboard_idle
    auth.guard_pages(app, _refuse_locked)


def _refuse_locked() -> Response | None:
    """Before a view: note the input, or lead to the page that asks for a code."""
    now, last = clock.now(), g.last_input_at
    if is_locked():
        return _to_lock()
    if IDLE_HEADER not in request.headers and (last is None or now - last > _NOTED_AFTER):
        sessions.note_input(current_actor())
    return None


def is_locked() -> bool:
    """Whether the screen of this request's session was not used for too long."""
    return g.last_input_at is not None and clock.now() - g.last_input_at > current_app.config["DASHBOARD_IDLE"]


def way_back(url: str) -> str:
    """The address of the page that was locked, within the dashboard."""
    parts = urlsplit(url)
    found = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return found if found.startswith(f"{pages.PREFIX}/") else pages.PREFIX


def _to_lock() -> Response:
    shown = request.headers.get("HX-Current-URL", "") if is_partial() else request.full_path
    address = url_for("dashboard_lock.show", back=way_back(shown))
    if not is_partial():
        return make_response(redirect(address))
    return make_response("", HTTPStatus.LOCKED, {"HX-Redirect": address})
