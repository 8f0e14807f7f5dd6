"""What several threads want at the same moment, done in one go, as databases do by group commit.

A question to MongoDB costs about the same for one wish as for eight. Who comes first is served at once, and those that
come meanwhile are the next batch, which the first of them serves. While many come, it may wait a moment for the rest.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from threading import Event, Lock
from typing import Generic, Protocol, TypeVar

from arthomed.core.documents import Undone, is_database_away
from arthomed.core.errors import ServiceUnavailable
from arthomed.core.underway import threads

W = TypeVar("W")
R = TypeVar("R")
W_contra = TypeVar("W_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

PATIENCE_SECONDS = 2.5  # longer than it takes to learn that the database is away
GATHERING_SECONDS = 0.015  # in which a process's threads give their answers and take up the next requests


class Work(Protocol[W_contra, R_co]):
    """What is done for wishes."""

    def __call__(self, wishes: Sequence[W_contra], /, *, once: bool) -> Sequence[R_co | Exception]:
        """An outcome, or a refusal, for each; what it raises is the outcome of all.

        Raises:
            Undone: it was to be tried `once`, and came to nothing.
        """


class _Wish(Generic[W, R]):
    """What a thread waits for: its outcome, or its turn, or that it is to go alone."""

    def __init__(self, wanted: W, names: Collection[object]) -> None:
        self.wanted = wanted
        self.names = names
        self.goes_alone = False
        self.is_done = False
        self.outcome: R | Exception
        self.ready = Event()

    def end(self, outcome: R | Exception) -> None:
        self.outcome, self.is_done = outcome, True
        self.ready.set()

    def go_alone(self) -> None:
        self.goes_alone = True
        self.ready.set()


class Together(Generic[W, R]):
    """Serves wishes in batches, one at a time, each tried once; they are no larger than the process has threads.

    No two wishes of a batch have a name in common: `names` tells what they would fight for. When a batch comes to
    nothing, such as when somebody else is in the way of one of them, each goes alone, in its own thread and as often as
    it takes: so none fails or waits for another's sake. So does who has waited its turn for `PATIENCE_SECONDS`.
    When the database is away, all who wait are told so at once.

    After a batch of several the next one `gathers`: it waits while other threads serve requests, for these may come to
    want the same, and fewer, larger batches cost less. It does so for `GATHERING_SECONDS` at most.
    """

    def __init__(self, work: Work[W, R], *, names: Callable[[W], Collection[object]], gathers: bool = False) -> None:
        self._work = work
        self._names = names
        self._gathers = gathers
        self._has_many = False
        self._lock = Lock()
        self._waiting: list[_Wish[W, R]] = []
        self._is_busy = False

    def __call__(self, wanted: W) -> R:
        """Wait for the outcome of a wish; raises its refusal, or what the work raised."""
        wish: _Wish[W, R] = _Wish(wanted, self._names(wanted))
        with self._lock:
            self._waiting.append(wish)
            is_first, self._is_busy = not self._is_busy, True
        with threads.one_less() if self._gathers else nullcontext():
            if not is_first:
                self._wait(wish)
            if not (wish.is_done or wish.goes_alone):
                self._lead()
            if wish.goes_alone:
                self._serve([wish], once=False)
        if isinstance(wish.outcome, Exception):
            raise wish.outcome
        return wish.outcome

    def _wait(self, wish: _Wish[W, R]) -> None:
        if wish.ready.wait(PATIENCE_SECONDS):
            return
        with self._lock:
            if wish in self._waiting and not wish.ready.is_set():
                self._waiting.remove(wish)
                wish.go_alone()
        wish.ready.wait()

    def _lead(self) -> None:
        batch: list[_Wish[W, R]] = []
        try:
            if self._gathers and self._has_many:
                threads.wait_for_none(GATHERING_SECONDS)
            batch = self._next()
            self._has_many = len(batch) > 1
            self._serve(batch, once=True)
        except Undone:
            for wish in batch:
                wish.go_alone()
        finally:
            with self._lock:
                self._is_busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].ready.set()

    def _next(self) -> list[_Wish[W, R]]:
        """Those that waited longest, the first of them in any case."""
        batch: list[_Wish[W, R]] = []
        taken: set[object] = set()
        with self._lock:
            for wish in self._waiting:
                if taken.isdisjoint(wish.names):
                    batch.append(wish)
                taken.update(wish.names)  # also of one that stays, or those behind it would go first
            self._waiting = [wish for wish in self._waiting if wish not in batch]
        return batch

    def _serve(self, batch: Sequence[_Wish[W, R]], *, once: bool) -> None:
        try:
            outcomes = self._work([wish.wanted for wish in batch], once=once)
            for wish, outcome in zip(batch, outcomes, strict=True):
                wish.end(outcome)
        except Undone:
            raise
        except BaseException as error:
            is_failure = isinstance(error, Exception)
            for wish in (*batch, *(self._all_waiting() if once and is_database_away(error) else ())):
                wish.end(error if is_failure else ServiceUnavailable())
            if not is_failure:  # the process is to end
                raise

    def _all_waiting(self) -> list[_Wish[W, R]]:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting
