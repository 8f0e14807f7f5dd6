"""The table of all metrics. infra/metrics.py exports them to Prometheus if ENABLE_METRICS is set."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a run of a job ended."""

    DONE = "done"
    SKIPPED = "skipped"  # another run of the same job was in progress
    RETRIED = "retried"
    FAILED = "failed"  # without another retry: a dead letter


@dataclass(frozen=True, eq=False)
class Metric:
    """A label has few possible values, never paths, ids or people. Prometheus adds the labels `job` and `instance`."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ALL.append(self)


class Counter(Metric):
    """A value that only increases."""

    def add(self, *labels: str, by: int = 1) -> None:
        _record(self, labels, by)


class Gauge(Metric):
    """A value that increases and decreases; Prometheus sees the sum over all running processes."""

    def add(self, by: int) -> None:
        _record(self, (), by)


@dataclass(frozen=True, eq=False)
class Histogram(Metric):
    """Durations in seconds."""

    buckets: tuple[float, ...] = ()

    def observe(self, seconds: float, *labels: str) -> None:
        _record(self, labels, seconds)


ALL: list[Metric] = []
REQUESTS = Histogram(
    "arthomed_request_seconds",
    "Duration of requests by URL pattern, method and status",
    ("route", "method", "status"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
ERROR_RESPONSES = Counter("arthomed_refusals", "Error responses by error code", ("code",))
CACHEABLE_RESPONSES = Counter(
    "arthomed_readings", "Cacheable responses by whether they came from the cache", ("copied",)
)
BOOKINGS = Counter("arthomed_bookings", "Booked appointments")
CODES_SENT = Counter("arthomed_codes_sent", "One-time codes that were issued")
CODES_WITHHELD = Counter(
    "arthomed_codes_withheld", "One-time codes that were not sent, by the clinic's quota that was exhausted", ("quota",)
)
QUOTAS_HALF_USED = Counter(
    "arthomed_code_quotas_half_used", "How often half of a quota of the clinic for codes was used", ("quota",)
)
CODES_VERIFIED = Counter("arthomed_codes_verified", "One-time codes that were verified")
MESSAGES = Counter("arthomed_messages", "Messages by channel and outcome", ("channel", "outcome"))
FILES_QUARANTINED = Counter(
    "arthomed_files_set_aside", "Files that need attention: infected, stray or missing", ("reason",)
)
SLOTS = Counter("arthomed_slots_generated", "Slots generated from the schedules of doctors")
JOB_RUNS = Histogram(
    "arthomed_job_seconds",
    "Duration of job runs by task and outcome",
    ("task", "outcome"),
    (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600),
)
MONGO_CONNECTIONS = Gauge("arthomed_mongo_connections", "Open connections to MongoDB")
MONGO_IN_USE = Gauge("arthomed_mongo_connections_in_use", "Connections to MongoDB that an operation uses")

Recorder = Callable[[Metric, tuple[str, ...], float], None]
"""Records an event: the metric, the values of its labels, and the increment or the duration in seconds."""


def discard(metric: Metric, labels: tuple[str, ...], amount: float) -> None:
    """Record nothing; the recorder of a process without metrics."""


_record: Recorder = discard


def use(recorder: Recorder) -> None:
    """Set the recorder of this process."""
    global _record  # noqa: PLW0603  each process sets it once, when it starts
    _record = recorder
