"""The Celery application of workers and beat: `celery -A workers.app worker`."""

import os
import signal
from contextlib import suppress
from threading import Timer
from typing import Any

import structlog
from celery import Celery, Task, signals
from redis.exceptions import RedisError

from arthomed.app import wire
from arthomed.config import settings
from arthomed.core import metrics as core_metrics
from arthomed.core import origin
from arthomed.infra import heartbeat, logging, mongo, queue
from workers.connection import redis

app = Celery("arthomed", task_cls="workers.base:ClinicTask", include=["workers.tasks"])
app.config_from_object("celeryconfig")

log = structlog.get_logger()


@signals.before_task_publish.connect
def _label(headers: dict[str, Any], **_: object) -> None:
    """Label what Celery publishes itself: for beat, and to try a job again."""
    headers.update(queue.job_headers(origin.current()))


@signals.setup_logging.connect
def _set_up_logging(**_: object) -> None:
    logging.set_up(settings().log_level, as_json=settings().is_production)


@signals.worker_process_init.connect
def _wire(**_: object) -> None:
    """Each process of the pool has its own connections, opened after the fork."""
    wire(settings(), database_timeout_ms=mongo.WORKER_TIMEOUT_MS)


@signals.worker_init.connect
def _give_signs_of_life(sender: object, **_: object) -> None:
    name = str(sender)

    @signals.heartbeat_sent.connect(weak=False)
    def _beat(**_: object) -> None:
        with suppress(RedisError):  # nobody sees this worker then, which is right
            heartbeat.beat(redis(), name)

    @signals.worker_shutdown.connect(weak=False)
    def _stop(**_: object) -> None:
        with suppress(RedisError):
            heartbeat.stop(redis(), name)


@signals.worker_init.connect
def _count(**_: object) -> None:
    """Before the fork, so that all processes of this worker count together."""
    if port := settings().worker_metrics_port:
        from arthomed.infra import metrics  # noqa: PLC0415  see there

        core_metrics.use(metrics.note)
        metrics.listen(port, settings().host)


@signals.worker_shutting_down.connect
def _stop_in_time(how: str, **_: object) -> None:
    """Let running tasks end first, for a while; then their messages go back for another worker."""
    if how == "Warm":
        timer = Timer(settings().worker_stop.total_seconds(), os.kill, [os.getpid(), signal.SIGQUIT])
        timer.daemon = True
        timer.start()


@signals.task_prerun.connect
def _begin(task_id: str, task: Task, **_: object) -> None:
    """Whose request is behind it; a job that nobody asked for counts as a request of its own."""
    request_id = task.request.get("request_id") or task_id.replace("-", "")
    origin.set_current(origin.Origin(request_id))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id, request_id=request_id)
