"""Admission to file cleaning: one request at a time for each web process, with a short queue per process and sender.

The queue is bounded so that uploads never occupy all threads of a web process.
"""

import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from arthomed.core.errors import ServiceUnavailable

MAX_WAIT_SECONDS = 18
MAX_CLEANING_SECONDS = 14  # for all files of a request; the web server's timeout is 35
MAX_QUEUED = 5  # of the eight threads of a web process
MAX_QUEUED_PER_SENDER = 2
RETRY_AFTER = timedelta(seconds=5)

cleaning_lock = threading.Lock()
queued = Counter[Hashable]()
_queued_lock = threading.Lock()


@contextmanager
def cleaning_slot(sender: Hashable) -> Iterator[float]:
    """Wait for the cleaning slot; yields the deadline (`time.monotonic()`) for all files of the request.

    Raises:
        ServiceUnavailable: the queue is full, the sender has two requests in it, or the wait timed out.
    """
    with _queued_lock:
        if queued.total() >= MAX_QUEUED or queued[sender] >= MAX_QUEUED_PER_SENDER:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        queued[sender] += 1
    try:
        if not cleaning_lock.acquire(timeout=MAX_WAIT_SECONDS):
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        try:
            yield time.monotonic() + MAX_CLEANING_SECONDS
        finally:
            cleaning_lock.release()
    finally:
        with _queued_lock:
            queued.subtract([sender])
            if not queued[sender]:
                del queued[sender]
