"""The Celery application with tasks that misbehave on purpose: `celery -A tests.workers.misbehaving worker`."""

import os
import signal
import time
from contextlib import suppress

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from workers.app import app

log = structlog.get_logger()


@app.task(name="default.sleep")
def sleep(seconds: str) -> None:
    """Log the start, sleep, and log the end."""
    log.info("sleep_started", pid=os.getpid())
    time.sleep(float(seconds))
    log.info("sleep_finished")


@app.task(name="default.sleep_exclusively", single_run=True)
def sleep_exclusively(seconds: str) -> None:
    sleep.run(seconds)


@app.task(name="default.die")
def die() -> None:
    """Kill the process of the worker."""
    log.info("dying")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="default.hang", soft_time_limit=1, time_limit=2)
def hang() -> None:
    """Ignore the soft time limit."""
    log.info("hanging")
    with suppress(SoftTimeLimitExceeded):
        time.sleep(60)
    time.sleep(60)


@app.task(name="default.fail")
def fail(text: str) -> None:
    """Raise an error that quotes personal data."""
    person = {"text": text}
    raise ValueError(person)
