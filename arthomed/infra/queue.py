"""core.jobs over Celery: how the web process and the workers ask for background work."""

import json
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from arthomed.core import clock, origin
from arthomed.core.jobs import Job, JobsUnavailable

QUEUES = tuple(dict.fromkeys(job.partition(".")[0] for job in Job))
_SOCKET_SECONDS = 0.3


def queue_of(job_name: str, *_: object, **__: object) -> dict[str, str]:
    """The queue of a job: the part of its name before the dot."""
    return {"queue": job_name.partition(".")[0]}


class CeleryJobs:
    """Publishes by task name; fails within a second when the broker is silent."""

    def __init__(self, redis_url: str) -> None:
        self._celery = Celery("arthomed-publisher", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            task_serializer="json",
            task_routes=(queue_of,),
            # Both are needed: without socket time-outs a silent broker blocks for over 40 s.
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0.05, "interval_max": 0.1},
            broker_transport_options={
                "socket_timeout": _SOCKET_SECONDS,
                "socket_connect_timeout": _SOCKET_SECONDS,
            },
        )

    def enqueue(self, job: Job, *ids: str) -> None:
        try:
            self._celery.send_task(job, args=ids, ignore_result=True)
        except (OperationalError, RedisError, OSError) as error:
            raise JobsUnavailable(str(job)) from error


@signals.before_task_publish.connect
def _label(headers: dict[str, Any], **_: object) -> None:
    """Whoever asks, a request, beat, a job or its retry: the message says when, and which request is behind it."""
    headers["asked_at"] = clock.now().timestamp()
    if request_id := origin.current().request_id:
        headers["request_id"] = request_id


@dataclass(frozen=True, slots=True)
class Waiting:
    """What nobody has taken from a queue yet, and for how long the oldest of it has been there."""

    count: int
    oldest_seconds: float


def waiting(redis: Redis) -> dict[str, Waiting]:
    """By queue. Raises RedisError."""
    with redis.pipeline(transaction=False) as all_at_once:
        for queue in QUEUES:
            all_at_once.llen(queue)
            all_at_once.lindex(queue, -1)  # kombu puts in on the left and takes out on the right
        found = all_at_once.execute()
    return {queue: Waiting(count, _age(raw)) for queue, count, raw in zip(QUEUES, found[::2], found[1::2], strict=True)}


def _age(raw: bytes | None) -> float:
    asked_at = json.loads(raw)["headers"].get("asked_at") if raw else None
    return max(0.0, clock.now().timestamp() - asked_at) if asked_at else 0.0
