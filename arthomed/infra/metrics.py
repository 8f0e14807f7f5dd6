"""core.metrics over Prometheus, for all processes of one gunicorn or one worker together.

Import it where metrics are asked for, and before the fork: prometheus_client decides when it is imported where it
counts, here in the files of a folder that the first process makes and the others inherit.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from errno import EADDRINUSE
from functools import cache
from pathlib import Path

_OWNER, _FOLDER = os.getpid(), tempfile.mkdtemp(prefix="arthomed-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _FOLDER

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
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

from arthomed.core import metrics
from arthomed.infra import failed_jobs, queue

log = structlog.get_logger()


def note(metric: metrics.Metric, labels: tuple[str, ...], amount: float) -> None:
    """core.metrics.Note."""
    _noting(metric, labels)(amount)


@cache
def _noting(metric: metrics.Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
    made = _MADE[metric]
    one = made.labels(*labels) if labels else made
    return one.observe if isinstance(one, Histogram) else one.inc


def _make(metric: metrics.Metric) -> Counter | Gauge | Histogram:
    match metric:
        case metrics.Histogram():
            return Histogram(metric.name, metric.text, metric.labels, buckets=metric.buckets)
        case metrics.Gauge():
            return Gauge(metric.name, metric.text, metric.labels, multiprocess_mode="livesum")
        case _:
            return Counter(metric.name, metric.text, metric.labels)


_MADE = {metric: _make(metric) for metric in metrics.ALL}


class Backlog(Collector):
    """What is asked of Redis and MongoDB at the moment when somebody looks; what is away tells nothing."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = queue.backlogs(self._redis)
            counts = {name: one.count for name, one in waiting.items()}
            ages = {name: one.oldest_seconds for name, one in waiting.items()}
            yield _gauge("arthomed_queue_jobs", "Jobs that nobody has taken yet", "queue", counts)
            yield _gauge("arthomed_queue_oldest_seconds", "How long the oldest of them has waited", "queue", ages)
            yield _gauge("arthomed_failed_jobs", "Dead letters", "task", failed_jobs.how_many())
        except (RedisError, PyMongoError) as error:
            log.warning("backlog_unknown", error=type(error).__name__)


class _Processes(Collector):
    """All that there were: what one had ends with it, however it ended; what it counted stays."""

    def collect(self) -> Iterator[Metric]:
        for file in Path(_FOLDER).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            try:
                os.kill(pid, 0)  # which only asks whether it is there
            except ProcessLookupError:
                file.unlink(missing_ok=True)
        yield from multiprocess.MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def told(*more: Collector) -> tuple[bytes, str]:
    """All of it in Prometheus' own words, and the name of their format."""
    return generate_latest(_registry(*more)), CONTENT_TYPE_LATEST


def listen(port: int, host: str) -> None:
    """Tell it on a port of its own, from a thread of this process: the first free one of eight."""
    for tried in range(port, port + 8):
        try:
            start_http_server(tried, host, registry=_registry())
        except OSError as error:  # another worker of this machine
            if error.errno != EADDRINUSE:
                raise
        else:
            return


def _registry(*more: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (_Processes(), *more):
        registry.register(collector)
    return registry


@atexit.register
def _remove_folder() -> None:
    if os.getpid() == _OWNER:
        shutil.rmtree(_FOLDER, ignore_errors=True)
