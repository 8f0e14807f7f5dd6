"""Where the work at hand comes from: a request, or nowhere when the system acts by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """The request behind the work, and the address that it came from."""

    request_id: str | None = None
    address: str | None = None


NOWHERE = Origin()
_current: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def begin(origin: Origin) -> None:
    """Say where the work of this thread comes from, from now on."""
    _current.set(origin)


def current() -> Origin:
    return _current.get()


@contextmanager
def instead(origin: Origin) -> Iterator[None]:
    """For a while this thread does the work of another one, which comes from there."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
