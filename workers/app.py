"""The Celery application of workers and beat: `celery -A workers.app worker`."""

import os
import signal
import sys
from contextlib import suppress
from threading import Timer
from typing import Any

import structlog
from celery import Celery, Task, signals
from redis.exceptions import RedisError

from arthomed.app import wire
from arthomed.config import ConfigurationError, settings
from arthomed.core import metrics as core_metrics
from arthomed.core import origin
from arthomed.infra import heartbeat, logging, mongo, queue, startup
from workers.connection import redis

try:
    settings()
except ConfigurationError as error:
    sys.exit(str(error))

app = Celery("arthomed", task_cls="workers.base:ClinicTask", include=["workers.tasks"])
app.config_from_object("celeryconfig")


@signals.before_task_publish.connect
def _add_headers(headers: dict[str, Any], **_: object) -> None:
    """Add the request id to messages that Celery itself publishes: those of beat and retries."""
    headers.update(queue.job_headers())


@signals.setup_logging.connect
def _configure_logging(**_: object) -> None:
    logging.configure(settings().log_level, as_json=settings().is_production)


@signals.worker_process_init.connect
def _wire(**_: object) -> None:
    """Open the connections of each process of the pool after the fork."""
    wire(settings(), database_timeout_ms=mongo.WORKER_TIMEOUT_MS)


@signals.celeryd_init.connect  # of the worker
@signals.beat_init.connect
def _refuse_standalone(**_: object) -> None:
    """Refuse a database that can't run transactions."""
    try:
        mongo.refuse_standalone(settings().mongodb_uri)
    except mongo.DatabaseNotReady as error:
        sys.exit(str(error))


@signals.worker_init.connect
def _warn(**_: object) -> None:
    """Log what is missing from the configuration, and whether Redis is unreachable; the worker then waits for it."""
    startup.log_warnings(settings())


@signals.worker_init.connect
def _send_heartbeats(sender: object, **_: object) -> None:
    worker_name = str(sender)

    @signals.heartbeat_sent.connect(weak=False)
    def _beat(**_: object) -> None:
        with suppress(RedisError):  # readiness then reports the worker as missing, which is right
            heartbeat.beat(redis(), worker_name)

    @signals.worker_shutdown.connect(weak=False)
    def _remove(**_: object) -> None:
        with suppress(RedisError):
            heartbeat.remove(redis(), worker_name)


@signals.worker_init.connect
def _serve_metrics(**_: object) -> None:
    """Run before the fork, so that all processes of this worker share their metrics."""
    if port := settings().worker_metrics_port:
        from arthomed.infra import metrics  # noqa: PLC0415  importing it creates a folder

        core_metrics.use(metrics.record)
        metrics.serve(port, settings().host)


@signals.worker_shutting_down.connect
def _limit_warm_shutdown(how: str, **_: object) -> None:
    """Let running tasks finish for WORKER_STOP_SECONDS; then SIGQUIT returns their messages to the broker."""
    if how == "Warm":
        timer = Timer(settings().worker_stop.total_seconds(), os.kill, [os.getpid(), signal.SIGQUIT])
        timer.daemon = True
        timer.start()


@signals.task_prerun.connect
def _set_origin(task_id: str, task: Task, **_: object) -> None:
    """Bind the request id that caused the task to its logs and jobs; periodic tasks use their task id."""
    request_id = task.request.get("request_id") or task_id.replace("-", "")
    origin.set_current(origin.Origin(request_id))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, request_id=request_id)
