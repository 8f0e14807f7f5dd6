"""A stack whose servers the tests break. FAULTS=full runs the tests at full size, and the slow ones too."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from arthomed.core.jobs import Job, JobRequest
from arthomed.infra.queue import CeleryJobs
from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.faults.fake_twilio import FakeTwilio
from tests.stack import QUEUES, Stack, wait_for
from tests.whole_suite import suite_logs

FULL = os.environ.get("FAULTS") == "full"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: runs with FAULTS=full only")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not FULL:
            item.add_marker(pytest.mark.skip(reason="`make test-faults` runs it"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run at full size that skips a test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if FULL and reporter and reporter.getreports("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests reported."""
    for report in terminalreporter.getreports("passed"):
        for _, figure in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {figure}")


ReportFigure = Callable[[str], None]


@pytest.fixture
def report_figure(record_property: Callable[[str, object], None]) -> ReportFigure:
    """Print a figure at the end of the run."""
    return partial(record_property, "figure")


@dataclass(frozen=True)
class System:
    """A stack with its own servers and its own fake of Twilio. Tests may break any part of it."""

    stack: Stack
    mongo: Mongo
    valkey: Valkey
    twilio: FakeTwilio

    def sweep_outbox(self) -> bool:
        """Enqueue the outbox sweeper at once; a run at full size waits for beat to do it."""
        if not FULL and self.is_idle("default"):
            CeleryJobs(self.valkey.url).enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
        return True

    def is_idle(self, *queues: str) -> bool:
        """Whether the queues are empty: these, or all."""
        with Redis.from_url(self.valkey.url) as redis:
            return not any(redis.llen(queue) for queue in queues or QUEUES.split(","))


@pytest.fixture(scope="session")
def _system(tmp_path_factory: pytest.TempPathFactory, fast_folder: Path) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("faults")
    # The transaction of a killed client is aborted after a second.
    parameters = ["--setParameter", "transactionLifetimeLimitSeconds=1"]
    with (
        Mongo(fast_folder / "faults", folder, extra_args=parameters) as mongo,
        Valkey(folder / "valkey", folder) as valkey,
        FakeTwilio().running() as twilio,
        Stack(folder, mongodb_uri=mongo.uri("arthomed"), redis_url=valkey.url, env=twilio.settings) as stack,
    ):
        yield System(stack, mongo, valkey, twilio)
        suite_logs.keep_personal_data(mongo.uri("local"))


@pytest.fixture
def system(_system: System) -> System:
    """The system of the session, with all processes running and a fast, empty fake of Twilio."""
    for part in ("web", "worker", "beat"):
        process = getattr(_system.stack, part)
        if process is None or process.exit_code is not None:
            getattr(_system.stack, f"start_{part}")()
    _system.stack.wait_until_ready()
    _system.twilio.accepted.clear()
    _system.twilio.delay_seconds = 0.0
    return _system


@pytest.fixture
def clinic(system: System) -> Iterator[Clinic]:
    with Clinic(system.stack) as client:
        wait_for(client.is_available, what="an available API")
        yield client
