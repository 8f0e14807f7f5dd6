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
from arthomed.http import context

View = TypeVar("View", bound=Callable[..., Any])
Key = tuple[str, bytes, ObjectId | None]

_MAX_ENTRIES = 1000  # of about 4 to 10 KB each
_MAX_BYTES = 16_384
_END_OF_BODY = len('2026-12-01T09:30:00.000Z"}')  # the envelope ends with the timestamp


@dataclass(frozen=True, slots=True)
class _Entry:
    """A response without its timestamp, and what it depends on."""

    body: bytes
    depends_on: Dependencies
    is_shared: bool

    @property
    def has_expired(self) -> bool:
        valid_until = self.depends_on.valid_until
        return valid_until is not None and clock.now() >= valid_until

    def is_current(self, versions: Versions) -> bool:
        return self.depends_on.versions == versions and not self.has_expired

    def response(self) -> Response:
        """The response as of now. A client may store only shared ones, and gets 304 when it has the present one."""
        body = self.body + f'{clock.iso(clock.now())}"}}'.encode()
        response = current_app.response_class(body, mimetype="application/json")
        if self.is_shared:
            etag = f'W/"{sha256(self.body).hexdigest()}"'  # weak, because the timestamp varies
            response.headers.update({"Cache-Control": "private, no-cache", "Vary": "Authorization", "ETag": etag})
            if "If-None-Match" in request.headers:
                response.make_conditional(request)  # RFC 9110 section 13.1.2
        return response


class _Entries:
    """The entries of a process, least recently used last; threads share them."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> _Entry | None:
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def put(self, key: Key, entry: _Entry) -> None:
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            if len(self._entries) > _MAX_ENTRIES:
                self._entries.popitem(last=False)


def register(app: Flask) -> None:
    app.extensions["cached_responses"] = _Entries()


def cached(*, shared: bool) -> Callable[[View], View]:
    """A view whose response is kept while its tags are unchanged; place it below `requires`.

    The service that the view calls names the tags (`core.cache.depends_on`); without any, nothing is kept.
    `shared` responses are the same for every caller; others are kept for each user.
    """

    def decorate(view: View) -> View:
        if hasattr(view, "permission"):
            message = "@cached goes below @requires: a response is given only to an admitted caller"
            raise TypeError(message)

        @wraps(view)
        def cached_view(*args: Any, **kwargs: Any) -> Response:
            key, entries = _key(g.actor.user_id, shared=shared), _entries()
            entry = entries.get(key)
            if entry is not None and entry.is_current(g.tag_versions):
                metrics.CACHEABLE_RESPONSES.add("yes")
                return entry.response()
            metrics.CACHEABLE_RESPONSES.add("no")
            with cache.recording_dependencies() as dependencies:
                response: Response = view(*args, **kwargs)
            body = response.get_data()
            if response.status_code != 200 or not dependencies.versions or len(body) > _MAX_BYTES:  # noqa: PLR2004
                return response
            entry = _Entry(body[:-_END_OF_BODY], dependencies, shared)
            if not entry.has_expired:
                entries.put(key, entry)
            return entry.response()

        cached_view.is_cache_shared = shared  # type: ignore[attr-defined]
        return cached_view  # type: ignore[return-value]

    return decorate


def tags_to_check(user_id: ObjectId) -> Collection[str]:
    """The tags of the response that is kept for this request, if there is one."""
    shared = getattr(context.view(), "is_cache_shared", None)
    if shared is None:
        return ()
    entry = _entries().get(_key(user_id, shared=shared))
    return () if entry is None else entry.depends_on.versions


def _key(user_id: ObjectId, *, shared: bool) -> Key:
    return request.path, request.query_string, None if shared else user_id


def _entries() -> _Entries:
    entries: _Entries = current_app.extensions["cached_responses"]
    return entries
