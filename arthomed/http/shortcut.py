"""Answers from copies before Flask begins, to who asks what was asked just now and would be told the same.

Here is refused, too, who waited too long: that must cost less than an answer. All else is Flask's business, with
whatever was counted here, and so is what is out of the ordinary. Each answer is the one that Flask would give:
`tests/api/test_http_shortcut.py` compares them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from arthomed.config import Settings
from arthomed.core import metrics
from arthomed.core.actor import Actor, all_sessions_of
from arthomed.core.copies import Copies
from arthomed.core.errors import ClinicError
from arthomed.http import answers, auth, context, errors, json, limits, overload
from arthomed.http.answers import Answer
from arthomed.http.errors import Fuse
from arthomed.http.limits import Counting, Rate

Environ = dict[str, Any]
Start = Callable[..., Any]

_REQUEST_ID = "HTTP_X_REQUEST_ID"
_FOR_FLASK = frozenset({"HTTP_ORIGIN", "HTTP_IF_NONE_MATCH", "HTTP_UPGRADE"})


class Shortcut:
    """WSGI around Flask's."""

    def __init__(self, app: Flask, settings: Settings, counting: Counting) -> None:
        self._app, self._flask = app, app.wsgi_app
        self._readings = {
            rule.rule: view
            for rule in app.url_map.iter_rules()
            if hasattr(view := app.view_functions[rule.endpoint], "for_all")
            and limits.is_for_its_user_only(view)
            and not rule.arguments
        }
        self._keys = settings.jwt_keys
        self._max_queue_wait = settings.max_queue_wait
        self._counting = counting
        self._answers: Copies[Answer] = app.extensions["answers"]
        self._fuse: Fuse = app.extensions["fuse"]

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        environ[context.STARTED] = time.perf_counter()
        view = self._readings.get(environ.get("PATH_INFO", ""))
        if view is not None and self._is_ordinary(environ):
            if refusal := overload.refusal(self._max_queue_wait):
                return _refuse(refusal, environ, start_response)
            try:
                known = self._find(view, environ)
            except ClinicError:  # which Flask explains
                known = None
            if known is not None:
                return _answer(*known, environ, start_response)
        return self._flask(environ, start_response)

    def _is_ordinary(self, environ: Environ) -> bool:
        return (
            environ["REQUEST_METHOD"] == "GET"
            and _FOR_FLASK.isdisjoint(environ)
            and context.accepts_json(environ.get("HTTP_ACCEPT", ""))
            and not self._fuse.is_blown()
        )

    def _find(self, view: Any, environ: Environ) -> tuple[Answer, Actor, Rate] | None:
        """The copy of the answer, who asked for it, and what is left of their budget, once that is charged."""
        claims = auth.claims_in(environ.get("HTTP_AUTHORIZATION", ""), self._keys)
        user, session = auth.claimed_id(claims["sub"]), auth.claimed_id(claims["sid"])
        query = environ.get("QUERY_STRING", "").encode("latin1")
        key = answers.key_of(environ["PATH_INFO"], query, claims, for_all=view.for_all)
        names = self._answers.names(key)
        if not names:
            return None
        _begin(environ)
        counted = self._counting.count([self._counting.of_user(claims["sub"])], (all_sessions_of(user), *names))
        answer = self._answers.find(key, counted.seen)
        if answer is not None:
            try:
                actor, _ = auth.find_actor(self._app, user, session, [], counted.seen)
            except Exception as error:  # noqa: BLE001  Flask's handlers know what becomes of each
                counted = replace(counted, error=error)
            else:
                if actor.may(view.permission):
                    return answer, actor, counted.rate
        environ[limits.COUNTED] = counted
        return None


def _answer(answer: Answer, actor: Actor, rate: Rate, environ: Environ, start_response: Start) -> list[bytes]:
    metrics.CACHEABLE_RESPONSES.add("yes")
    context.note(environ, environ["PATH_INFO"], 200, actor=actor)
    return _send(200, answer.body(), {**answer.headers, **rate.headers()}, environ, start_response)


def _refuse(error: ClinicError, environ: Environ, start_response: Start) -> list[bytes]:
    _begin(environ)
    status, content, headers = errors.refused(error)
    context.note(environ, environ["PATH_INFO"], status, actor=None, code=error.code)
    return _send(status, json.encode(content), headers, environ, start_response)


def _begin(environ: Environ) -> None:
    """Have a request id for all that follows, Flask included."""
    environ[_REQUEST_ID] = context.begin(environ.get(_REQUEST_ID, ""), environ.get("REMOTE_ADDR"))


def _send(status: int, body: bytes, headers: Mapping[str, str], environ: Environ, start_response: Start) -> list[bytes]:
    standing = {
        "Content-Type": answers.MIMETYPE,
        "Content-Length": str(len(body)),
        **context.DEFAULT_HEADERS,
        **context.HEADERS,
        "X-Request-ID": environ[_REQUEST_ID],
    }
    start_response(f"{status} {HTTP_STATUS_CODES[status].upper()}", list({**standing, **headers}.items()))
    return [body]
