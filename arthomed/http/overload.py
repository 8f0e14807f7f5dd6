"""Refuse at once what has waited too long for a thread, so that under any load those who are let in are served in time.

By the time waited rather than by the length of the queue: what is in the queue may be refused just as well.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask, request

from arthomed.config import Settings
from arthomed.core import underway
from arthomed.core.errors import ServiceUnavailable

_RETRY_AFTER = timedelta(seconds=2)
_thread = threading.local()


class Threads(ThreadPoolExecutor):
    """The threads of a web process; each work knows how long it has waited for its thread."""

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_begin, time.monotonic(), partial(work, *args, **kwargs))

    def has_none_waiting(self) -> bool:
        """Whether all work that there is has its thread."""
        return self._work_queue.empty()


def _begin(asked_at: float, work: partial[Any]) -> Any:
    note_waited(time.monotonic() - asked_at)
    with underway.threads.one_more():
        return work()


def note_waited(seconds: float) -> None:
    """Say how long the request that this thread takes up has waited."""
    _thread.waited = seconds


def refusal(most: timedelta) -> ServiceUnavailable | None:
    """What a request is told that has waited for longer than that."""
    waited = getattr(_thread, "waited", 0.0)
    return ServiceUnavailable(retry_after=_RETRY_AFTER) if waited > most.total_seconds() else None


def register(app: Flask, settings: Settings) -> None:
    def check() -> None:
        if request.path.startswith("/api/") and (error := refusal(settings.max_queue_wait)):
            raise error

    app.before_request(check)
