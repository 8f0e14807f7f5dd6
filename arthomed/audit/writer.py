"""Writes what was read behind the requests' backs, so that a slow write slows nobody's reading."""

import atexit
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue

import structlog
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, PyMongoError

from arthomed.core.documents import DUPLICATE_KEY, Raw

log = structlog.get_logger()

_MOST_WAITING = 10_000
_AT_ONCE = 500
_GATHERING_SECONDS = 0.05
_RETRY_SECONDS = 1.0


class Writer:
    """A queue and one thread a process, started with the first event and so after any fork.

    It gathers for a moment, which costs the requests less than many small writes, and tries again for as long as
    the database is away. What waits is written before the process ends; one that is killed loses the reads of its
    last moment. Changes don't come this way: they are written with what they tell of.
    """

    def __init__(self, collection: Callable[[], Collection[Raw]], *, most_waiting: int = _MOST_WAITING) -> None:
        self._collection = collection
        self._waiting: Queue[Raw] = Queue(most_waiting)
        self._starting = threading.Lock()
        self._hurrying = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, event: Raw) -> None:
        """Take an event; when too many wait, the caller writes it itself."""
        self._ensure_started()
        try:
            self._waiting.put_nowait(event)
        except Full:
            self._insert([event])

    def flush(self) -> None:
        """Wait until nothing waits."""
        self._hurrying.set()
        self._waiting.join()
        self._hurrying.clear()

    def _ensure_started(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
                self._thread.start()
                atexit.register(self._end)

    def _end(self) -> None:
        self._ending.set()
        self.flush()

    def _run(self) -> None:
        while True:
            events = self._next()
            self._write(events)
            for _ in events:
                self._waiting.task_done()

    def _next(self) -> list[Raw]:
        """Whatever waits a moment after the first; blocks until there is one."""
        events = [self._waiting.get()]
        self._hurrying.wait(_GATHERING_SECONDS)
        try:
            while len(events) < _AT_ONCE:
                events.append(self._waiting.get_nowait())
        except Empty:
            pass
        return events

    def _write(self, events: list[Raw]) -> None:
        while not self._is_written(events):
            if self._ending.wait(_RETRY_SECONDS):
                log.error("audit_trail_lost", events=[repr(event) for event in events])
                return

    def _is_written(self, events: list[Raw]) -> bool:
        try:
            self._insert(events)
        except PyMongoError as error:
            log.warning("audit_trail_waits", count=len(events), error=type(error).__name__)
            return False
        return True

    def _insert(self, events: list[Raw]) -> None:
        try:
            self._collection().insert_many(events, ordered=False)
        except BulkWriteError as error:
            # A try that was cut off had written some of them.
            if any(one["code"] != DUPLICATE_KEY for one in error.details["writeErrors"]):
                raise
