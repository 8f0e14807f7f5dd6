"""The job queue: `core.jobs` published with Celery."""

import ssl
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import TimeoutError as NoAnswer

from arthomed.core import clock, origin
from arthomed.core.jobs import Job, JobRequest, JobsUnavailable

QUEUES = tuple(dict.fromkeys(job.partition(".")[0] for job in Job))
_SOCKET_SECONDS = 0.3
_CIRCUIT_OPEN_SECONDS = 1.0


def queue_of(job_name: str, *_: object, **__: object) -> dict[str, str]:
    """The queue of a job, as Celery's routers return it: the part of the job's name before the dot."""
    return {"queue": job_name.partition(".")[0]}


def tls_options(redis_url: str) -> dict[str, ssl.VerifyMode] | None:
    """Celery's `broker_use_ssl`: kombu would verify no certificate of a rediss:// URL, unlike redis-py."""
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED} if redis_url.startswith("rediss://") else None


class CeleryJobs:
    """Publishes jobs by name with Celery's `send_task`, and gives up within a second when the broker is silent.

    After a silence it refuses at once for another second, so that a second job does not wait for the same silence.
    """

    def __init__(self, redis_url: str) -> None:
        self._celery = Celery("arthomed-producer", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            broker_transport_options={"socket_timeout": _SOCKET_SECONDS, "socket_connect_timeout": _SOCKET_SECONDS},
            broker_use_ssl=tls_options(redis_url),
            task_publish_retry_policy={"max_retries": 1, "interval_start": 0.05, "interval_max": 0.1},
            task_routes=(queue_of,),
            task_ignore_result=True,
        )
        self._circuit_open_until = 0.0

    def enqueue(self, requests: Sequence[JobRequest]) -> None:
        if time.monotonic() < self._circuit_open_until:
            raise JobsUnavailable
        try:
            with self._celery.producer_or_acquire() as producer:
                for request in requests:
                    self._celery.send_task(
                        request.job.value,
                        args=request.ids,
                        headers=job_headers(),
                        producer=producer,
                        ignore_result=True,
                    )
        except (OperationalError, OSError, NoAnswer) as error:
            if isinstance(error.__cause__ or error, TimeoutError | NoAnswer):
                self._circuit_open_until = time.monotonic() + _CIRCUIT_OPEN_SECONDS
            raise JobsUnavailable from error


def job_headers() -> dict[str, Any]:
    """When a job was enqueued, and by which request; beat and retries send these headers, too."""
    request_id = origin.current().request_id
    return {"asked_at": clock.now().timestamp(), **({"request_id": request_id} if request_id else {})}
