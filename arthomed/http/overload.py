"""Overload protection: requests that waited too long for a thread are refused at once.

So under any load the requests that are admitted get their responses in time. The measure is the time waited: the
length of the queue says little about it.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask, request

from arthomed.config import Settings
from arthomed.core.errors import ServiceUnavailable
from arthomed.http import pages

_RETRY_AFTER = timedelta(seconds=2)
_thread = threading.local()


class TimedThreadPool(ThreadPoolExecutor):
    """The thread pool of a web process; it notes how long each request waited for its thread."""

    def submit(self, work: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_run, time.monotonic(), partial(work, *args, **kwargs))


def _run(submitted_at: float, work: partial[Any]) -> Any:
    _thread.waited = time.monotonic() - submitted_at
    return work()


def register(app: Flask, settings: Settings) -> None:
    limit = settings.max_queue_wait.total_seconds()

    def check() -> None:
        if getattr(_thread, "waited", 0.0) > limit and (request.path.startswith("/api/") or pages.is_page()):
            raise ServiceUnavailable(retry_after=_RETRY_AFTER)

    app.before_request(check)
