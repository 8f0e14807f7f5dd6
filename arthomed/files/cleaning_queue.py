"""The queue for file cleaning.

Each web process cleans one file at a time. The sender with the least recent cleaning time is next, and of several who
have used none, the one with the fewest files. So an account that sends slow files again and again delays another
sender by one file, not by all of them. The queue is bounded so that uploads never occupy all threads of a web process.
When it is full, a new request takes the place of one whose sender has used more; that one gets 503.
"""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import exp2

from arthomed.core.errors import ServiceUnavailable

MAX_REQUEST_SECONDS = 32  # for all files of a request, waiting included; the web server's timeout is 35
MAX_CLEANING_SECONDS = 14  # for one file
MAX_QUEUED = 5  # more only if no sender in the queue has used more than the new one
MAX_THREADS = 7  # of at least eight of a web process; a request that lost its place may still clean or store a file
MAX_QUEUED_PER_SENDER = 2
RETRY_AFTER = timedelta(seconds=5)
_HALF_LIFE_SECONDS = 60  # of the cleaning time that a sender has used
_NEGLIGIBLE_SECONDS = 0.01


@dataclass(eq=False, slots=True)
class QueuedRequest:
    """A request with files; `is_displaced` when its place in the queue was given to another one."""

    sender: Hashable
    files: int
    deadline: float  # `time.monotonic()`
    is_waiting: bool = False
    is_displaced: bool = False


class CleaningQueue:
    """The queue of one web process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[QueuedRequest] = []  # in order of arrival
        self._running: QueuedRequest | None = None
        self._started_at = 0.0
        self._used: dict[Hashable, tuple[float, float]] = {}  # seconds of cleaning, and when they were counted

    def __len__(self) -> int:
        return len(self._queued())

    @contextmanager
    def admit(self, sender: Hashable, *, files: int = 1) -> Iterator[QueuedRequest]:
        """Enter a request with so many files into the queue for the duration of the block.

        Raises:
            ServiceUnavailable: the sender has two requests in the queue, or it is full of senders who have used less.
        """
        request = QueuedRequest(sender, files, time.monotonic() + MAX_REQUEST_SECONDS)
        with self._changed:
            self._make_room(request)
            self._requests.append(request)
        try:
            yield request
        finally:
            with self._changed:
                self._requests.remove(request)

    @contextmanager
    def slot(self, request: QueuedRequest) -> Iterator[float]:
        """Wait for the turn to clean one file; yields the deadline (`time.monotonic()`) for it.

        Raises:
            ServiceUnavailable: the request was displaced, or its time is over.
        """
        with self._changed:
            self._wait_for_turn(request)
            self._running, self._started_at = request, time.monotonic()
        try:
            yield min(self._started_at + MAX_CLEANING_SECONDS, request.deadline)
        finally:
            with self._changed:
                self._used[request.sender] = self._used_by(request.sender), time.monotonic()
                self._running = None
                self._forget_negligible()
                self._changed.notify_all()

    def _queued(self) -> list[QueuedRequest]:
        return [one for one in self._requests if not one.is_displaced]

    def _make_room(self, new: QueuedRequest) -> None:
        queued = self._queued()
        if sum(one.sender == new.sender for one in queued) >= MAX_QUEUED_PER_SENDER:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        if len(queued) < MAX_QUEUED:
            return
        heaviest = max(reversed(queued), key=self._load)
        used, files = self._load(new)
        load, limit = (used, files + new.files), self._load(heaviest)
        is_lighter = load < limit
        leaving = sum(one.is_displaced and one.is_waiting for one in self._requests)
        leaving += is_lighter and heaviest.is_waiting
        if load > limit or len(self._requests) - leaving >= MAX_THREADS:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        if is_lighter:
            heaviest.is_displaced = True
            self._changed.notify_all()

    def _load(self, request: QueuedRequest) -> tuple[float, int]:
        """The cleaning time that the sender of a request has used, and the number of its files in the queue."""
        return self._used_by(request.sender), sum(one.files for one in self._queued() if one.sender == request.sender)

    def _wait_for_turn(self, request: QueuedRequest) -> None:
        request.is_waiting = True
        try:
            self._changed.wait_for(
                lambda: request.is_displaced or self._next() is request, timeout=request.deadline - time.monotonic()
            )
            if request.is_displaced or self._next() is not request:
                raise ServiceUnavailable(retry_after=RETRY_AFTER)
        finally:
            request.is_waiting = False

    def _next(self) -> QueuedRequest | None:
        if self._running:
            return None
        return min((one for one in self._queued() if one.is_waiting), key=self._load, default=None)

    def _used_by(self, sender: Hashable) -> float:
        """Seconds of cleaning, of which half are forgotten each minute; those of the running file included."""
        now = time.monotonic()
        seconds, counted_at = self._used.get(sender, (0.0, now))
        running = now - self._started_at if self._running and self._running.sender == sender else 0.0
        return running + seconds * exp2((counted_at - now) / _HALF_LIFE_SECONDS)

    def _forget_negligible(self) -> None:
        self._used = {
            sender: used for sender, used in self._used.items() if self._used_by(sender) > _NEGLIGIBLE_SECONDS
        }


queue = CleaningQueue()
