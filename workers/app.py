"""The Celery application of workers and beat: `celery -A workers.app worker`."""

from contextlib import suppress

import structlog
from celery import Celery, signals
from redis import Redis
from redis.exceptions import RedisError

from arthomed.app import wire
from arthomed.config import settings
from arthomed.core import origin
from arthomed.infra import heartbeat, logging, mongo

app = Celery("arthomed", include=["workers.tasks"])
app.config_from_object("celeryconfig")

log = structlog.get_logger()


@signals.setup_logging.connect
def _set_up_logging(**_: object) -> None:
    logging.set_up(settings().log_level, as_json=settings().is_production)


@signals.worker_process_init.connect
def _wire(**_: object) -> None:
    """Each process of the pool has its own connections, opened after the fork."""
    wire(settings(), database_timeout_ms=mongo.WORKER_TIMEOUT_MS)


@signals.worker_init.connect
def _give_signs_of_life(sender: object, **_: object) -> None:
    redis = Redis.from_url(settings().redis_url, socket_timeout=2, socket_connect_timeout=2)
    name = str(sender)

    @signals.heartbeat_sent.connect(weak=False)
    def _beat(**_: object) -> None:
        with suppress(RedisError):  # nobody sees this worker then, which is right
            heartbeat.beat(redis, name)

    @signals.worker_shutdown.connect(weak=False)
    def _stop(**_: object) -> None:
        with suppress(RedisError):
            heartbeat.stop(redis, name)


@signals.task_prerun.connect
def _begin(task_id: str, task: object, **_: object) -> None:
    origin.begin(origin.NOWHERE)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", None), task_id=task_id)
