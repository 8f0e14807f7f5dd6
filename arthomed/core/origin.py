"""The origin of the work that runs now: the HTTP request that caused it, or none when the system acts by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """A request's id, and the IP address of its client."""

    request_id: str | None = None
    address: str | None = None


SYSTEM = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=SYSTEM)


def set_current(origin: Origin) -> None:
    """Set the origin of this thread's work, until the next call."""
    _current.set(origin)


def current() -> Origin:
    return _current.get()


@contextmanager
def override(origin: Origin) -> Iterator[None]:
    """Run a block on behalf of another request, as when one thread writes a batch of several."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
