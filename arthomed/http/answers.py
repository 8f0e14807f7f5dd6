"""Answers that are kept for a moment, for who asks the same again: see core/copies.py.

Of routes `for_all` for whoever may ask; of others for the one person only.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

import orjson
from flask import Flask, current_app, g, request

from arthomed.core import clock
from arthomed.core.copies import Copies, Seen, VersionsUnavailable
from arthomed.http import context, json
from arthomed.http.envelope import success

Key = tuple[str, bytes, str | None]

MIMETYPE = "application/json"
_MOST = 1000  # of some 4 to 10 KB each
_LONGEST = 16_384  # bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Data as JSON; when it is polled with an ETag: a weak one, since the envelope's timestamp is another each time."""

    message: str
    data: bytes
    etag: str | None

    @classmethod
    def of(cls, message: str, data: bytes, *, is_polled: bool) -> Self:
        return cls(message, data, f'W/"{sha256(data).hexdigest()}"' if is_polled else None)

    @property
    def headers(self) -> dict[str, str]:
        """Those of its own."""
        if self.etag is None:
            return {}
        return {"Cache-Control": "private, no-cache", "Vary": "Authorization", "ETag": self.etag}

    def body(self) -> bytes:
        """As of now, in its envelope."""
        envelope = success(self.message, orjson.Fragment(self.data))
        return json.encode({**envelope, "timestamp": clock.iso(envelope["timestamp"])})

    def response(self) -> Any:
        """304 for who has just that (RFC 9110 section 13.1.2)."""
        response: Any = current_app.response_class(self.body(), mimetype=MIMETYPE, headers=self.headers)
        is_conditional = self.etag is not None and "If-None-Match" in request.headers
        return response.make_conditional(request) if is_conditional else response


def register(app: Flask, look: Callable[..., Seen]) -> None:
    app.extensions["answers"] = Copies[Answer](_MOST)
    app.extensions["look"] = look


def names() -> tuple[str, ...]:
    """What the versions must be known of to answer this request from a copy."""
    key = _key()
    return () if key is None else _kept().names(key)


def find() -> Answer | None:
    key = _key()
    return None if key is None else _kept().find(key, g.get("seen"))


def look(names: tuple[str, ...]) -> Seen | None:
    """The versions to keep an answer by, from before it is read; None where none is to be kept."""
    seen: Seen | None = g.get("seen")
    if not names or seen is None:
        return None
    if seen.versions.keys() >= set(names):
        return seen
    with suppress(VersionsUnavailable):
        return current_app.extensions["look"](*names)  # type: ignore[no-any-return]
    return None


def keep(answer: Answer, names: tuple[str, ...], seen: Seen, until: datetime | None) -> None:
    key = _key()
    if key is not None and len(answer.data) <= _LONGEST:
        _kept().keep(key, answer, names, seen, until=until)


def _kept() -> Copies[Answer]:
    kept: Copies[Answer] = current_app.extensions["answers"]
    return kept


def _key() -> Key | None:
    """None for a route that is no reading, and without a token."""
    for_all = getattr(context.view(), "for_all", None)
    claims = g.get("claims")
    if for_all is None or claims is None:
        return None
    return key_of(request.path, request.query_string, claims, for_all=for_all)


def key_of(path: str, query: bytes, claims: Mapping[str, Any], *, for_all: bool) -> Key:
    """The user is who the token says it is."""
    return path, query, None if for_all else claims["sub"]
