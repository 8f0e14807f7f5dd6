"""Copies of what hot routes read, which a process keeps for a moment, and how it learns that one is out of date.

A copy is of things with names. Each name has a version, which all processes share (infra/versions.py); a copy is good
while the versions of its names are those from before it was read. Whoever changes a thing has its version forgotten
once the change is committed and before anybody is told of it, so the next request finds another one, in whatever
process. Versions are asked for on each request, with what is counted for its limits.

A change of which nobody could tell, because the process was killed after the commit or can't reach the versions as
others can, ends with the life of a copy. Signing out, deactivating and booking, asked for again, tell again, whatever
they find done. What must not be used any more once a change is acknowledged (a session that ended) lives for
`SURE_LIFETIME` only, and the acknowledgement can wait for that.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Generic, Protocol, TypeVar

import structlog

from arthomed.core import clock

log = structlog.get_logger()

LIFETIME = timedelta(seconds=30)
SURE_LIFETIME = timedelta(seconds=2)  # a request can wait for as long
_TRY_AGAIN_SECONDS = 0.2

T = TypeVar("T")


class VersionsUnavailable(Exception):
    """They can't be reached."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Versions by name, when they were asked for, and in which era that was and in which they came.

    An era ends whenever a change may have gone by unheard, or older versions may be back.
    """

    versions: Mapping[str, bytes]
    at: float
    asked_in: int
    told_in: int


class Versions(Protocol):
    def forget(self, *names: str) -> None:
        """Let each have a version that it never had. Raises VersionsUnavailable."""


@dataclass(frozen=True, slots=True)
class _Copy(Generic[T]):
    value: T
    versions: Mapping[str, bytes]
    seen: Seen
    until: datetime | None


class Copies(Generic[T]):
    """At most `most` copies by a key; threads may share them."""

    def __init__(self, most: int, lifetime: timedelta = LIFETIME) -> None:
        self._most = most
        self._seconds = lifetime.total_seconds()
        self._kept: dict[object, _Copy[T]] = {}
        self._keeping = Lock()

    def names(self, key: object) -> tuple[str, ...]:
        """What the versions are to be known of before the copy can be used, or the next one kept; none without one."""
        copy = self._kept.get(key)
        return () if copy is None else tuple(copy.versions)

    def find(self, key: object, seen: Seen | None) -> T | None:
        """The copy, unless something of it has changed, or that is not known."""
        copy = self._kept.get(key)
        if copy is None or seen is None or self._is_over(copy) or copy.seen.asked_in != seen.told_in:
            return None
        return copy.value if copy.versions.items() <= seen.versions.items() else None

    def keep(self, key: object, value: T, names: tuple[str, ...], seen: Seen, *, until: datetime | None = None) -> None:
        """Keep what was read after the versions of its names were seen; it is not to be used from `until` on."""
        if seen.asked_in != seen.told_in or (until is not None and until <= clock.now()):
            return  # nobody could use it
        copy = _Copy(value, {name: seen.versions[name] for name in names}, seen, until)
        with self._keeping:
            self._kept.pop(key, None)
            if len(self._kept) >= self._most:
                del self._kept[next(iter(self._kept))]  # the one that was kept first
            self._kept[key] = copy

    def _is_over(self, copy: _Copy[T]) -> bool:
        too_old = time.monotonic() - copy.seen.at > self._seconds
        return too_old or (copy.until is not None and copy.until <= clock.now())


class _Nowhere:
    """Of a process that is not put together (`app.wire`), such as one that only runs rules."""

    def forget(self, *_: str) -> None:
        raise VersionsUnavailable


_versions: Versions = _Nowhere()
_noted: ContextVar[dict[str, bool] | None] = ContextVar("noted", default=None)


def use(versions: Versions) -> None:
    global _versions  # noqa: PLW0603  one a process, set where the parts are put together
    _versions = versions


def changed(*names: str, surely: bool = False) -> None:
    """Say, within a transaction, what it changes.

    `surely` for what must not be used once the change is acknowledged, whatever else is out of order: when it can't be
    said, the acknowledgement waits for `SURE_LIFETIME`. For other things the log and `LIFETIME` must do.
    """
    noted = _noted.get()
    assert noted is not None, "what is copied changes in transactions only"  # noqa: S101
    noted.update({name: surely or noted.get(name, False) for name in names})


@contextmanager
def telling() -> Iterator[None]:
    """Around a transaction: tell what it changed when it is over, also when nobody knows how it ended."""
    noted: dict[str, bool] = {}
    token = _noted.set(noted)
    try:
        yield
    finally:
        _noted.reset(token)
        if noted:
            _tell(noted)


def _tell(noted: Mapping[str, bool]) -> None:
    surely, over = any(noted.values()), time.monotonic() + SURE_LIFETIME.total_seconds()
    while True:
        try:
            _versions.forget(*noted)
        except VersionsUnavailable:
            if not surely or time.monotonic() > over:
                log.warning("copies_not_called_off", names=len(noted), surely=surely)
                return
            time.sleep(_TRY_AGAIN_SECONDS)
        else:
            return
