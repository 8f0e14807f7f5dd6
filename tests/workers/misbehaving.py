"""The workers' application with jobs that do what none of ours should; `celery -A tests.workers.misbehaving worker`."""

import os
import signal
import time
from contextlib import suppress

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from workers.app import app

log = structlog.get_logger()


@app.task(name="default.rest")
def rest(seconds: float) -> None:
    """Take some time, and say so."""
    log.info("rest_begun", pid=os.getpid())
    time.sleep(seconds)
    log.info("rest_ended")


@app.task(name="default.rest_alone", single_run=True)
def rest_alone(seconds: float) -> None:
    rest.run(seconds)


@app.task(name="default.die")
def die() -> None:
    """Take the worker's process along."""
    log.info("dying")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="default.hang", soft_time_limit=1, time_limit=2)
def hang() -> None:
    """Take no notice of the soft limit."""
    log.info("hanging")
    with suppress(SoftTimeLimitExceeded):
        time.sleep(60)
    time.sleep(60)


@app.task(name="default.quote")
def quote(words: str) -> None:
    """Fail over somebody, and say over whom."""
    person = {"words": words}
    raise ValueError(person)
