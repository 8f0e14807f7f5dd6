"""Cached views: a process keeps the responses of a few hot routes while their cache tags have not changed.

`core/cache.py` says how a change invalidates a tag. Each request reads the session from MongoDB and, in the same round
trip, the versions of the tags of the response that is kept for it. So a cached response is as fresh as a new one.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from threading import Lock
from typing import Any, TypeVar

from bson import ObjectId
from flask import Flask, Response, current_app, g, request

from arthomed.core import cache, clock, metrics
from arthomed.core.cache import Dependencies, Versions
from arthomed.core.permissions import Role
from arthomed.http import context

View = TypeVar("View", bound=Callable[..., Any])
Key = tuple[str, bytes, ObjectId | None, str]

_MAX_BYTES = 16_384
_MAX_BYTES_OF_ALL = 1000 * _MAX_BYTES
VERSION_HEADER = "X-Version"
"""The version of a part of a page, in its response and in the request for a newer one."""
_END_OF_BODY = len('2026-12-01T09:30:00.000Z"}')  # the envelope ends with the timestamp


@dataclass(frozen=True, slots=True)
class _Entry:
    """A response without its timestamp, and what it depends on; one that is not shared is for a user of this role."""

    body: bytes
    depends_on: Dependencies
    role: Role | None
    has_etag: bool

    @property
    def is_shared(self) -> bool:
        return self.role is None

    @property
    def has_expired(self) -> bool:
        valid_until = self.depends_on.valid_until
        return valid_until is not None and clock.now() >= valid_until

    def is_current(self, versions: Versions) -> bool:
        is_current = self.depends_on.versions == versions and not self.has_expired
        return is_current and all(check() for check in self.depends_on.checks)

    def response(self) -> Response:
        """The response as of now; a client's cache may store only shared ones."""
        body = self.body + f'{clock.iso(clock.now())}"}}'.encode()
        response = current_app.response_class(body, mimetype="application/json")
        if self.is_shared:
            response.headers.update({"Cache-Control": "private, no-cache", "Vary": "Authorization"})
        return _with_etag(response, self.body) if self.has_etag else response


@dataclass(frozen=True, slots=True)
class _Part(_Entry):
    """A part of a page, and the version of what it shows."""

    version: str

    def response(self) -> Response:
        """The part, or 204 when the page shows this version."""
        if request.headers.get(VERSION_HEADER) == self.version:
            return Response(status=204)
        return Response(self.body, headers={VERSION_HEADER: self.version})


class _Entries:
    """The entries of a process, least recently used last; threads share them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Key) -> _Entry | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Key, entry: _Entry) -> None:
        with self._lock:
            self._remove(self._entries.pop(key, None))
            self._entries[key] = entry
            self._bytes += len(entry.body)
            while self._bytes > _MAX_BYTES_OF_ALL:
                self._remove(self._entries.popitem(last=False)[1])

    def _remove(self, entry: _Entry | None) -> None:
        self._bytes -= len(entry.body) if entry else 0


def register(app: Flask) -> None:
    app.extensions["cached_responses"] = _Entries()


def cached(*, shared: bool, has_etag: bool | None = None, max_bytes: int = _MAX_BYTES) -> Callable[[View], View]:
    """A view whose response is kept while its tags are unchanged; place it below `requires`.

    The service that the view calls names the tags (`core.cache.depends_on`); without any, nothing is kept.
    `shared` responses are the same for every caller, and have an ETag; others are kept for each user, and have one with
    `has_etag`. A 304 is no read for the audit trail: the client has had the response, and that read was recorded.
    """

    def decorate(view: View) -> View:
        _ensure_below_permission(view)

        @wraps(view)
        def cached_view(*args: Any, **kwargs: Any) -> Response:
            key, entries = _key(g.actor.user_id, shared=shared), _entries()
            entry = entries.get(key)
            if entry is not None and entry.role in (None, g.actor.role) and entry.is_current(g.tag_versions):
                metrics.CACHEABLE_RESPONSES.add("yes")
                return _reused(entry)
            metrics.CACHEABLE_RESPONSES.add("no")
            with cache.recording_dependencies() as dependencies:
                response: Response = view(*args, **kwargs)
            body = response.get_data()
            if response.status_code != 200 or not dependencies.versions or len(body) > max_bytes:  # noqa: PLR2004
                return response
            entry = _Entry(
                body[:-_END_OF_BODY],
                dependencies,
                None if shared else g.actor.role,
                shared if has_etag is None else has_etag,
            )
            if not entry.has_expired:
                entries.put(key, entry)
            return entry.response()

        cached_view.is_cache_shared = shared  # type: ignore[attr-defined]
        return cached_view  # type: ignore[return-value]

    return decorate


def cached_part(vary: Callable[[], str]) -> Callable[[View], View]:
    """A view that gives a part of a page with a version (`X-Version`), kept as by `cached` for each user.

    The answer is 204 to a request that names this version. `vary` says on what else the part depends: the language.
    """

    def decorate(view: View) -> View:
        _ensure_below_permission(view)

        @wraps(view)
        def cached_view(*args: Any, **kwargs: Any) -> Response:
            key, entries = _key(g.actor.user_id, shared=False), _entries()
            entry = entries.get(key)
            if entry is None or entry.role is not g.actor.role or not entry.is_current(g.tag_versions):
                with cache.recording_dependencies() as dependencies:
                    made: Response = view(*args, **kwargs)
                entry = _Part(made.get_data(), dependencies, g.actor.role, False, made.headers[VERSION_HEADER])
                if dependencies.versions and not entry.has_expired:
                    entries.put(key, entry)
                return entry.response()
            return _reused(entry)

        cached_view.is_cache_shared = False  # type: ignore[attr-defined]
        cached_view.cache_varies_on = vary  # type: ignore[attr-defined]
        return cached_view  # type: ignore[return-value]

    return decorate


def _ensure_below_permission(view: View) -> None:
    if hasattr(view, "permission"):
        message = f"{view.__name__}: a cache goes below @requires: a response is given only to an admitted caller"
        raise TypeError(message)


def conditional(view: View) -> View:
    """A view whose response has an ETag but is not kept, for data that is cheap to read."""

    @wraps(view)
    def conditional_view(*args: Any, **kwargs: Any) -> Response:
        response: Response = view(*args, **kwargs)
        return _with_etag(response, response.get_data()[:-_END_OF_BODY])

    return conditional_view  # type: ignore[return-value]


def _with_etag(response: Response, body: bytes) -> Response:
    """The response, or 304 when the client has it: without its timestamp, so the ETag is weak."""
    response.headers["ETag"] = f'W/"{sha256(body).hexdigest()}"'
    if "If-None-Match" in request.headers:
        response.make_conditional(request)  # RFC 9110 section 13.1.2
    return response


def _reused(entry: _Entry) -> Response:
    response = entry.response()
    if response.status_code == 200:  # noqa: PLR2004
        for record in entry.depends_on.records:
            record(g.actor)
    return response


def tags_to_check(user_id: ObjectId) -> Collection[str]:
    """The tags of the response that is kept for this request, if there is one."""
    shared = getattr(context.view(), "is_cache_shared", None)
    if shared is None:
        return ()
    entry = _entries().get(_key(user_id, shared=shared))
    return () if entry is None else entry.depends_on.versions


def _key(user_id: ObjectId, *, shared: bool) -> Key:
    varies_on = getattr(context.view(), "cache_varies_on", None)
    return request.path, request.query_string, None if shared else user_id, varies_on() if varies_on else ""


def _entries() -> _Entries:
    entries: _Entries = current_app.extensions["cached_responses"]
    return entries
