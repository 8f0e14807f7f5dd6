"""Admission to file cleaning: one file at a time for each web process, for the senders who have used it least first.

An account that sends slow files again and again therefore delays a new sender by one file, not by all of them. The
queue is bounded so that uploads never occupy all threads of a web process. When it is full, a new request takes the
place of one whose sender has used more; that one gets 503.
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
MAX_QUEUED = 5
MAX_THREADS = 7  # of the eight of a web process; a request that lost its place may still clean or store a file
MAX_QUEUED_PER_SENDER = 2
RETRY_AFTER = timedelta(seconds=5)
_HALF_LIFE_SECONDS = 60  # of the cleaning time that a sender has used
_NEGLIGIBLE_SECONDS = 0.01


@dataclass(eq=False, slots=True)
class QueuedRequest:
    """A request with files; `is_displaced` when its place in the queue was given to another one."""

    sender: Hashable
    deadline: float  # `time.monotonic()`
    is_waiting: bool = False
    is_displaced: bool = False


class CleaningQueue:
    """The queue of one web process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: list[QueuedRequest] = []  # in order of arrival
        self._displaced: list[QueuedRequest] = []
        self._running: QueuedRequest | None = None
        self._started_at = 0.0
        self._used: dict[Hashable, tuple[float, float]] = {}  # seconds of cleaning, and when they were counted

    def __len__(self) -> int:
        return len(self._requests)

    @contextmanager
    def admit(self, sender: Hashable) -> Iterator[QueuedRequest]:
        """Enter a request into the queue for the duration of the block.

        Raises:
            ServiceUnavailable: the sender has two requests in the queue, or it is full of senders who have used less.
        """
        request = QueuedRequest(sender, time.monotonic() + MAX_REQUEST_SECONDS)
        with self._changed:
            self._make_room(sender)
            self._requests.append(request)
        try:
            yield request
        finally:
            with self._changed:
                (self._displaced if request.is_displaced else self._requests).remove(request)

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

    def _make_room(self, sender: Hashable) -> None:
        count = sum(one.sender == sender for one in self._requests)
        if count >= MAX_QUEUED_PER_SENDER:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        if len(self._requests) < MAX_QUEUED:
            return
        heaviest = max(reversed(self._requests), key=self._load)
        is_lighter = (self._used_by(sender), count + 1) < self._load(heaviest)
        busy = sum(not one.is_waiting for one in self._displaced)  # the others are about to leave
        if not is_lighter or len(self._requests) + busy >= MAX_THREADS:
            raise ServiceUnavailable(retry_after=RETRY_AFTER)
        heaviest.is_displaced = True
        self._requests.remove(heaviest)
        self._displaced.append(heaviest)
        self._changed.notify_all()

    def _load(self, request: QueuedRequest) -> tuple[float, int]:
        """The cleaning time that the sender of a request has used, and the number of its requests in the queue."""
        return self._used_by(request.sender), sum(one.sender == request.sender for one in self._requests)

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
        waiting = [one for one in self._requests if one.is_waiting]
        return min(waiting, key=lambda one: self._used_by(one.sender), default=None)

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
