"""core.jobs over Celery: how the web process and the workers ask for background work."""

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from arthomed.core.jobs import Job, JobsUnavailable

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
