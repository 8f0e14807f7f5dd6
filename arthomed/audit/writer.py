"""Writes audit events of reads in the background, so that a slow write does not delay the response."""

import atexit
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue

import structlog
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from arthomed.core.documents import DUPLICATE_KEY, Raw, is_database_unavailable
from arthomed.core.errors import ServiceUnavailable

log = structlog.get_logger()

FLUSH_SECONDS = 10.0
_MAX_PENDING = 10_000
_BATCH_SIZE = 500
_GATHER_SECONDS = 0.05
_RETRY_SECONDS = 1.0


class AuditWriter:
    """A bounded queue and one thread per process.

    The first event starts the thread, so each forked process has its own. Pending events are written before the
    process ends, but a killed process loses those of its last moment.
    """

    def __init__(self, collection: Callable[[], Collection[Raw]], *, max_pending: int = _MAX_PENDING) -> None:
        self._collection = collection
        self._pending: Queue[Raw] = Queue(max_pending)
        self._start_lock = threading.Lock()
        self._is_flushing = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, event: Raw) -> None:
        """Queue an event; when the queue is full, the calling thread inserts it."""
        self._ensure_started()
        try:
            self._pending.put_nowait(event)
        except Full:
            self._insert([event])

    def flush(self, timeout: float = FLUSH_SECONDS) -> None:
        """Wait until no event is pending; after `timeout` seconds log how many are lost if the process ends now."""
        done = self._pending.all_tasks_done
        self._is_flushing.set()
        with done:
            if not done.wait_for(lambda: self._pending.unfinished_tasks == 0, timeout):
                log.error("audit_events_lost", count=self._pending.unfinished_tasks)
        self._is_flushing.clear()

    def _ensure_started(self) -> None:
        with self._start_lock:
            if self._thread is None:
                atexit.register(self.flush)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            events = self._next_batch()
            try:
                self._write(events)
            finally:
                for _ in events:
                    self._pending.task_done()

    def _next_batch(self) -> list[Raw]:
        """Wait for an event, then a moment for more: one large insert is cheaper than many small ones.

        A flush does not wait for more.
        """
        events = [self._pending.get()]
        if self._pending.qsize() < _BATCH_SIZE:
            self._is_flushing.wait(_GATHER_SECONDS)
        with suppress(Empty):
            while len(events) < _BATCH_SIZE:
                events.append(self._pending.get_nowait())
        return events

    def _write(self, events: list[Raw]) -> None:
        """Insert events; retry while the database is unavailable."""
        while True:
            try:
                self._insert(events)
            except Exception as error:  # noqa: BLE001  no error may end the thread
                if not (is_database_unavailable(error) or isinstance(error, ServiceUnavailable)):
                    self._write_one_by_one(events, error)
                    return
                log.warning("audit_events_delayed", count=len(events), error=type(error).__name__)
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def _write_one_by_one(self, events: list[Raw], error: Exception) -> None:
        """Drop the event that cannot be inserted, so that it does not hold up the others."""
        if len(events) > 1:
            for event in events:
                self._write([event])
        else:
            refused = {"id": str(events[0]["_id"]), "kind": events[0]["kind"], "action": events[0]["action"]}
            log.error("audit_event_refused", **refused, error=type(error).__name__)

    def _insert(self, events: list[Raw]) -> None:
        """Insert events that may have been inserted before.

        Raises:
            ServiceUnavailable: the database could not confirm that it keeps the events.
        """
        try:
            self._collection().insert_many(events, ordered=False)
        except BulkWriteError as error:
            # An earlier try may have inserted some of the events before it failed.
            if any(one["code"] != DUPLICATE_KEY for one in error.details["writeErrors"]):
                raise
            if error.details["writeConcernErrors"]:
                raise ServiceUnavailable from error
