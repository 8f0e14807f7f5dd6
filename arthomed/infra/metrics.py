"""Exports core.metrics to Prometheus, summed over all processes of one gunicorn or one worker.

Import this module only if metrics are enabled, and before the fork: when prometheus_client is imported, it reads the
folder of its values from the environment. The first process creates the folder and the others inherit it.
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
from arthomed.infra import failed_jobs
from arthomed.infra.backlog import backlogs

log = structlog.get_logger()


def record(metric: metrics.Metric, labels: tuple[str, ...], amount: float) -> None:
    """Record an event; implements core.metrics.Recorder."""
    _update_of(metric, labels)(amount)


@cache
def _update_of(metric: metrics.Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
    series = _SERIES[metric].labels(*labels) if labels else _SERIES[metric]
    return series.observe if isinstance(series, Histogram) else series.inc


def _create(metric: metrics.Metric) -> Counter | Gauge | Histogram:
    match metric:
        case metrics.Histogram():
            return Histogram(metric.name, metric.documentation, metric.labels, buckets=metric.buckets)
        case metrics.Gauge():
            return Gauge(metric.name, metric.documentation, metric.labels, multiprocess_mode="livesum")
        case _:
            return Counter(metric.name, metric.documentation, metric.labels)


_SERIES = {metric: _create(metric) for metric in metrics.ALL}


class BacklogCollector(Collector):
    """Reads queue lengths and dead letters at each scrape; exports nothing while Redis or MongoDB is unavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def collect(self) -> Iterator[Metric]:
        try:
            waiting = backlogs(self._redis)
            counts = {queue: backlog.count for queue, backlog in waiting.items()}
            ages = {queue: backlog.oldest_seconds for queue, backlog in waiting.items()}
            yield _gauge("arthomed_queue_jobs", "Jobs that wait for a worker", "queue", counts)
            yield _gauge("arthomed_queue_oldest_seconds", "Waiting time of the oldest job", "queue", ages)
            yield _gauge("arthomed_failed_jobs", "Dead letters", "task", failed_jobs.count_by_job())
        except (RedisError, PyMongoError) as error:
            log.warning("backlog_metrics_unavailable", error=type(error).__name__)


class _ProcessCollector(Collector):
    """Sums the values of all processes. Counters of an ended process stay; its gauges are removed."""

    def collect(self) -> Iterator[Metric]:
        for file in Path(_FOLDER).glob("gauge_live*.db"):
            pid = int(file.stem.rpartition("_")[2])
            try:
                os.kill(pid, 0)  # signal 0 only checks whether the process exists
            except ProcessLookupError:
                file.unlink(missing_ok=True)
        yield from multiprocess.MultiProcessCollector(None).collect()  # type: ignore[no-untyped-call]


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def render(*collectors: Collector) -> tuple[bytes, str]:
    """Render all metrics, and those of the collectors, for Prometheus; returns the body and its content type."""
    return generate_latest(_registry(*collectors)), CONTENT_TYPE_LATEST


def serve(port: int, host: str) -> None:
    """Serve the metrics from a thread of this process, on the first free one of the eight ports from `port`."""
    for candidate in range(port, port + 8):
        try:
            start_http_server(candidate, host, registry=_registry())
        except OSError as error:  # another worker on this machine uses the port
            if error.errno != EADDRINUSE:
                raise
        else:
            return


def _registry(*collectors: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (_ProcessCollector(), *collectors):
        registry.register(collector)
    return registry


@atexit.register
def _remove_folder() -> None:
    if os.getpid() == _OWNER:
        shutil.rmtree(_FOLDER, ignore_errors=True)
