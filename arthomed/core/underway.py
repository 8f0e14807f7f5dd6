"""How many threads of this process are at something after which they may want what others want at the same moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Underway:
    """A count, which is below zero where threads that serve no request wait, as in tests and commands."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._count = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """The calling thread serves a request."""
        self._add(1)
        try:
            yield
        finally:
            self._add(-1)

    @contextmanager
    def one_less(self) -> Iterator[None]:
        """The calling thread waits for something, and wants nothing else meanwhile."""
        self._add(-1)
        try:
            yield
        finally:
            self._add(1)

    def wait_for_none(self, seconds: float) -> bool:
        """Until all wait for something, but no longer than that; whether they do."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count <= 0, seconds)

    def _add(self, by: int) -> None:
        with self._changed:
            self._count += by
            if self._count <= 0:
                self._changed.notify_all()


threads = Underway()
