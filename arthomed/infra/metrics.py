"""core.metrics over Prometheus, for all processes of one gunicorn or one worker together.

Import it where metrics are asked for, and before the fork: prometheus_client decides when it is imported where it
counts, here in the files of a folder that the first process makes and the others inherit.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping

_OWNER, _FOLDER = os.getpid(), tempfile.mkdtemp(prefix="arthomed-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _FOLDER

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from arthomed.core.metrics import Outcome
from arthomed.infra import failed_jobs, queue

log = structlog.get_logger()

_JOBS = Histogram(
    "arthomed_job_seconds",
    "Runs of jobs, by how they ended",
    ["job", "outcome"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600),
)
_MESSAGES = Counter("arthomed_messages", "Messages, by what became of them", ["channel", "outcome"])


class Prometheus:
    """core.metrics.Metrics."""

    def job_ended(self, job: str, outcome: Outcome, seconds: float) -> None:
        _JOBS.labels(job, outcome).observe(seconds)

    def message_settled(self, channel: str, outcome: str) -> None:
        _MESSAGES.labels(channel, outcome).inc()


class Backlog(Collector):
    """What is asked of Redis and MongoDB at the moment when somebody looks; what is away tells nothing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = queue.waiting(self._redis)
            counts = {name: one.count for name, one in waiting.items()}
            ages = {name: one.oldest_seconds for name, one in waiting.items()}
            yield _gauge("arthomed_queue_jobs", "Jobs that nobody has taken yet", "queue", counts)
            yield _gauge("arthomed_queue_oldest_seconds", "How long the oldest of them has waited", "queue", ages)
            yield _gauge("arthomed_failed_jobs", "Dead letters", "job", failed_jobs.how_many())
        except (RedisError, PyMongoError) as error:
            log.warning("backlog_unknown", error=type(error).__name__)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def told(*more: Collector) -> tuple[bytes, str]:
    """All of it in Prometheus' own words, and the name of their format."""
    return generate_latest(_registry(*more)), CONTENT_TYPE_LATEST


def listen(port: int, host: str) -> None:
    """Tell it on a port of its own, from a thread of this process."""
    start_http_server(port, host, registry=_registry())


def forget(pid: int) -> None:
    """A process has ended: what it alone was is no more; what it counted stays."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _registry(*more: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    for collector in more:
        registry.register(collector)
    return registry


@atexit.register
def _remove_folder() -> None:
    if os.getpid() == _OWNER:
        shutil.rmtree(_FOLDER, ignore_errors=True)
