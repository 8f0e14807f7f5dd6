"""Sizes: the normal run takes the short ones; FAULTS=full takes the full ones, and the slow tests with them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.faults.gateway import Gateway
from tests.stack import Stack, wait_for

FULL = os.environ.get("FAULTS") == "full"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes long; runs with FAULTS=full only")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not FULL:
            item.add_marker(pytest.mark.skip(reason="FAULTS=full runs it"))


@pytest.fixture
def clinic(stack: Stack) -> Iterator[Clinic]:
    """The shared stack; what is done to it must leave it whole."""
    with Clinic(stack) as found:
        yield found


@dataclass(frozen=True)
class Fragile:
    """A stack with servers and an SMS gateway of its own, any part of which may be broken."""

    stack: Stack
    mongo: Mongo
    valkey: Valkey
    gateway: Gateway


@pytest.fixture(scope="session")
def _fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fragile]:
    folder: Path = tmp_path_factory.mktemp("fragile")
    soon = ["--setParameter", "transactionLifetimeLimitSeconds=1"]  # of a client that died in the middle
    with (
        Mongo(folder / "mongo", folder, extra_args=soon) as mongo,
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
def fragile_clinic(fragile: Fragile) -> Iterator[Clinic]:
    with Clinic(fragile.stack) as found:
        wait_for(found.is_open, what="an open clinic")
        yield found
