"""What is counted: the table of it; infra/metrics.py carries it to Prometheus where that is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a run of a job ended."""

    DONE = "done"
    SKIPPED = "skipped"  # another run was at it
    RETRIED = "retried"
    FAILED = "failed"  # for good: a dead letter


@dataclass(frozen=True, eq=False)
class Metric:
    """Labels have few values each, never a path, an id or a person; Prometheus itself gives `job` and `instance`."""

    name: str
    text: str
    labels: tuple[str, ...] = ()


class Counter(Metric):
    """Only ever rises."""

    def add(self, *labels: str, by: int = 1) -> None:
        _note(self, labels, by)


class Gauge(Metric):
    """Rises and falls; the sum over all living processes."""

    def add(self, by: int) -> None:
        _note(self, (), by)


@dataclass(frozen=True, eq=False)
class Histogram(Metric):
    """Durations in seconds."""

    buckets: tuple[float, ...] = ()

    def observe(self, seconds: float, *labels: str) -> None:
        _note(self, labels, seconds)


REQUESTS = Histogram(
    "arthomed_request_seconds",
    "Requests, by the pattern of their URL, method and status",
    ("route", "method", "status"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REFUSALS = Counter("arthomed_refusals", "Answers that are errors, by their code", ("code",))
READINGS = Counter("arthomed_readings", "Hot answers, by whether they were copies", ("copied",))
BOOKINGS = Counter("arthomed_bookings", "Visits booked")
CODES_SENT = Counter("arthomed_codes_sent", "One-time codes made and handed over to be sent")
CODES_VERIFIED = Counter("arthomed_codes_verified", "One-time codes that were answered with in time")
MESSAGES = Counter("arthomed_messages", "Messages, by what became of them", ("channel", "outcome"))
FILES_SET_ASIDE = Counter(
    "arthomed_files_set_aside", "Files that somebody has to look at: infected, stray or missing", ("reason",)
)
SLOTS = Counter("arthomed_slots_generated", "Slots made from doctors' hours")
JOBS = Histogram(
    "arthomed_job_seconds",
    "Runs of jobs, by name and how they ended",
    ("task", "outcome"),
    (0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600),
)
MONGO_CONNECTIONS = Gauge("arthomed_mongo_connections", "Connections to MongoDB that are open")
MONGO_IN_USE = Gauge("arthomed_mongo_connections_in_use", "Those of them that an operation has taken")

ALL: tuple[Metric, ...] = (
    REQUESTS,
    REFUSALS,
    READINGS,
    BOOKINGS,
    CODES_SENT,
    CODES_VERIFIED,
    MESSAGES,
    FILES_SET_ASIDE,
    SLOTS,
    JOBS,
    MONGO_CONNECTIONS,
    MONGO_IN_USE,
)

Note = Callable[[Metric, tuple[str, ...], float], None]
"""Takes what happened: the metric, the values of its labels, and by how much or how long."""


def nobody(metric: Metric, labels: tuple[str, ...], amount: float) -> None:
    """Count for nobody."""


_note: Note = nobody


def use(note: Note) -> None:
    global _note  # noqa: PLW0603  one a process, set where the parts are put together
    _note = note
