"""Group commit: requests of the same moment share one transaction.

A MongoDB transaction waits for the journal once, and costs about the same for one item as for eight. So when several
threads of a process book or sign in at the same moment, one of them commits for all. The first item starts at once;
those that arrive meanwhile form the next batch.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from threading import Event, Lock
from typing import Generic, TypeVar

from pymongo.client_session import ClientSession

from arthomed.core.documents import TransactionConflict, is_database_unavailable, transaction
from arthomed.core.errors import ServiceUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_BATCH_ATTEMPTS = 8


class _Pending(Generic[Item, Result]):
    """One item, whose thread sleeps until its outcome is there, or until it has to go on by itself."""

    def __init__(self, item: Item, keys: Collection[object]) -> None:
        self.item = item
        self.keys = keys
        self.outcome: Result | Exception | None = None
        self.is_done = False
        self.is_leader = False
        self.woken = Event()

    def finish(self, outcome: Result | Exception | None) -> None:
        self.outcome, self.is_done = outcome, True
        self.woken.set()


class Batcher(Generic[Item, Result]):
    """Runs `work` for batches of items, one batch and one transaction at a time.

    `work` returns an outcome for each item: a result, or an exception that is raised to that item's caller. A batch has
    at most one item per thread. Two items with a key in common never share a batch, since their writes would conflict.
    When `work` raises, or when the batch meets write conflicts again and again, each item gets a transaction of its own
    in its own thread, so that no item fails or waits because of another. When the database is unavailable, all waiting
    items fail at once: the item that led the batch with the error itself, the others with ServiceUnavailable.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item], ClientSession], Sequence[Result | Exception]],
        *,
        keys: Callable[[Item], Collection[object]],
    ) -> None:
        self._work = work
        self._keys = keys
        self._lock = Lock()
        self._waiting: list[_Pending[Item, Result]] = []
        self._is_busy = False

    def __call__(self, item: Item) -> Result:
        """Wait for the outcome of one item."""
        pending: _Pending[Item, Result] = _Pending(item, self._keys(item))
        with self._lock:
            self._waiting.append(pending)
            pending.is_leader, self._is_busy = not self._is_busy, True
        if not pending.is_leader:
            pending.woken.wait()
        if pending.is_leader:
            self._lead()
        if not pending.is_done:
            [outcome] = transaction(partial(self._work, [item]))
            pending.finish(outcome)
        if isinstance(pending.outcome, Exception):
            raise pending.outcome
        return pending.outcome  # type: ignore[return-value]

    def _lead(self) -> None:
        """Commit one batch, then let the first waiting thread lead the next one."""
        batch = self._next_batch()
        try:
            self._commit(batch)
        finally:
            with self._lock:
                self._is_busy = bool(self._waiting)
                if self._waiting:
                    self._waiting[0].is_leader = True
                    self._waiting[0].woken.set()

    def _next_batch(self) -> list[_Pending[Item, Result]]:
        """The waiting items, oldest first, without those that share a key with an older one."""
        batch: list[_Pending[Item, Result]] = []
        later: list[_Pending[Item, Result]] = []
        taken: set[object] = set()
        with self._lock:
            for pending in self._waiting:
                (batch if taken.isdisjoint(pending.keys) else later).append(pending)
                taken.update(pending.keys)
            self._waiting = later
        return batch

    def _commit(self, batch: Sequence[_Pending[Item, Result]]) -> None:
        try:
            items = [pending.item for pending in batch]
            outcomes = transaction(partial(self._work, items), max_attempts=_MAX_BATCH_ATTEMPTS)
            for pending, outcome in zip(batch, outcomes, strict=True):
                pending.finish(outcome)
        except Exception as error:  # noqa: BLE001  raised again to each caller
            self._fail(batch, error)
        except BaseException:  # the process is about to end
            for pending in batch:
                pending.finish(ServiceUnavailable())
            raise

    def _fail(self, batch: Sequence[_Pending[Item, Result]], error: Exception) -> None:
        if is_database_unavailable(error) or isinstance(error, ServiceUnavailable):  # it may have been committed
            with self._lock:
                waiting, self._waiting = self._waiting, []
            batch[0].finish(error)  # the item of this thread; two threads that raise one exception mix its traceback
            for pending in (*batch[1:], *waiting):
                pending.finish(_unavailable(error))
        elif len(batch) == 1 and not isinstance(error, TransactionConflict):
            batch[0].finish(error)
        else:
            for pending in batch:
                pending.woken.set()  # each runs alone


def _unavailable(cause: Exception) -> ServiceUnavailable:
    error = ServiceUnavailable()
    error.__cause__ = cause
    return error
