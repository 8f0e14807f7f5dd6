"""What is counted, told by name; infra/metrics.py carries it to Prometheus where that is asked for."""

from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """How a run of a job ended."""

    DONE = "done"
    SKIPPED = "skipped"  # another run was at it
    RETRIED = "retried"
    FAILED = "failed"  # for good: a dead letter


class Metrics(Protocol):
    def job_ended(self, job: str, outcome: Outcome, seconds: float) -> None: ...

    def message_settled(self, channel: str, outcome: str) -> None: ...


class _Nobody:
    """Counts for nobody."""

    def job_ended(self, job: str, outcome: Outcome, seconds: float) -> None: ...

    def message_settled(self, channel: str, outcome: str) -> None: ...


_metrics: Metrics = _Nobody()


def use(metrics: Metrics) -> None:
    global _metrics  # noqa: PLW0603  one a process, set where the parts are put together
    _metrics = metrics


def job_ended(job: str, outcome: Outcome, seconds: float) -> None:
    _metrics.job_ended(job, outcome, seconds)


def message_settled(channel: str, outcome: str) -> None:
    """A message was sent, put off, dropped or given up."""
    _metrics.message_settled(channel, outcome)
