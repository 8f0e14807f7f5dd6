"""Sizes: the normal run takes the short ones; FAULTS=full takes the full ones, and the slow tests with them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from arthomed.core.jobs import Asked, Job
from arthomed.infra.queue import CeleryJobs
from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.faults.gateway import Gateway
from tests.stack import QUEUES, Stack, wait_for
from tests.whole_suite import gathering

FULL = os.environ.get("FAULTS") == "full"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long; runs with FAULTS=full only")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not FULL:
            item.add_marker(pytest.mark.skip(reason="FAULTS=full runs it"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """At full size nothing may be left out, or nobody would notice."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if FULL and reporter and reporter.getreports("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, for those who run it."""
    for report in terminalreporter.getreports("passed"):
        for _, told in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {told}")


Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Have a figure told at the end of the run."""
    return partial(record_property, "figure")


@dataclass(frozen=True)
class Fragile:
    """A stack with servers and an SMS gateway of its own, any part of which may be broken."""

    stack: Stack
    mongo: Mongo
    valkey: Valkey
    gateway: Gateway

    def sweep(self) -> bool:
        """Have the outbox swept as beat does, but at once; what takes long is left to beat."""
        if not FULL and self.is_idle("default"):
            CeleryJobs(self.valkey.url).enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
        return True

    def is_idle(self, *queues: str) -> bool:
        """Whether nothing waits in these queues, or in any."""
        with Redis.from_url(self.valkey.url) as redis:
            return not any(redis.llen(queue) for queue in queues or QUEUES.split(","))


@pytest.fixture(scope="session")
def _fragile(tmp_path_factory: pytest.TempPathFactory, fast_folder: Path) -> Iterator[Fragile]:
    folder: Path = tmp_path_factory.mktemp("fragile")
    soon = ["--setParameter", "transactionLifetimeLimitSeconds=1"]  # of a client that died in the middle
    with (
        Mongo(fast_folder / "fragile", folder, extra_args=soon) as mongo,
        Valkey(folder / "valkey", folder) as valkey,
        Gateway() as gateway,
        Stack(
            folder,
            mongodb_uri=mongo.uri("arthomed"),
            redis_url=valkey.url,
            demo=False,
            env=gateway.settings,
        ) as stack,
    ):
        yield Fragile(stack, mongo, valkey, gateway)
        gathering.keep_people(mongo.uri("local"))


@pytest.fixture
def fragile(_fragile: Fragile) -> Fragile:
    """The same for all tests of the run, and whole again at the start of each."""
    for part in ("web", "worker", "beat"):
        process = getattr(_fragile.stack, part)
        if process is None or process.exit_code is not None:
            getattr(_fragile.stack, f"start_{part}")()
    _fragile.stack.wait_until_ready()
    _fragile.gateway.taken.clear()
    _fragile.gateway.seconds = 0.0
    return _fragile


@pytest.fixture
def clinic(fragile: Fragile) -> Iterator[Clinic]:
    with Clinic(fragile.stack) as found:
        wait_for(found.is_open, what="an open clinic")
        yield found
