"""kill -9 of the primary Redis behind HAProxy (deploy/haproxy.cfg) during bookings."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from dev import binaries
from dev.processes import Process
from dev.servers import Valkey, free_port
from tests.faults.clinic import AUDIT_PASSED, Clinic
from tests.faults.conftest import System
from tests.faults.desk import Desk
from tests.faults.test_several_hosts import confirmations_sent
from tests.stack import ROOT, Stack, kill_group, wait_for

HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SENTINEL = """
port {port}
sentinel monitor clinic 127.0.0.1 {primary} 1
sentinel down-after-milliseconds clinic 1000
sentinel failover-timeout clinic 5000
"""

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed")


@dataclass(frozen=True)
class Pair:
    primary: Valkey
    standby: Valkey
    url: str


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A primary, a standby, a Sentinel that monitors them, and HAProxy, whose address leads to the primary."""
    with (
        Valkey(tmp_path / "one", tmp_path / "one-log") as primary,
        Valkey(
            tmp_path / "other", tmp_path / "other-log", extra_args=["--replicaof", "127.0.0.1", str(primary.port)]
        ) as standby,
        sentinel(tmp_path, primary) as sentinel_url,
        haproxy(tmp_path, primary, standby) as url,
    ):
        wait_for(lambda: sees_standby(sentinel_url), what="Sentinel's discovery of the standby")
        yield Pair(primary, standby, url)


def sees_standby(url: str) -> bool:
    with suppress(RedisError), Redis.from_url(url) as client:
        return bool(client.execute_command("SENTINEL REPLICAS clinic"))
    return False


@contextmanager
def sentinel(folder: Path, primary: Valkey) -> Iterator[str]:
    port, settings = free_port(), folder / "sentinel.conf"
    settings.write_text(SENTINEL.format(port=port, primary=primary.port))
    process = Process("sentinel", [binaries.valkey(), settings, "--sentinel"], folder / "sentinel.log")
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.stop(within=5)


@contextmanager
def haproxy(folder: Path, *servers: Valkey) -> Iterator[str]:
    port, settings = free_port(), (ROOT / "deploy/haproxy.cfg").read_text()
    deployed = ("bind :6379", "10.0.0.21:6379", "10.0.0.22:6379")
    local = (f"bind 127.0.0.1:{port}", *(f"127.0.0.1:{server.port}" for server in servers))
    for old, new in zip(deployed, local, strict=True):
        assert old in settings
        settings = settings.replace(old, new)
    (folder / "haproxy.cfg").write_text(settings)
    process = Process("haproxy", [str(HAPROXY), "-f", folder / "haproxy.cfg"], folder / "haproxy.log")
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.stop(within=5)


@pytest.fixture
def clinic(_system: System, pair: Pair, tmp_path: Path) -> Iterator[Clinic]:
    stack = Stack(
        tmp_path / "stack",
        mongodb_uri=_system.mongo.uri("arthomed_failover"),
        redis_url=pair.url,
        env=_system.twilio.settings,
    )
    with stack, Clinic(stack) as client:
        yield client


@pytest.mark.long
def test_failover_of_redis_loses_no_booking_and_no_message(pair: Pair, clinic: Clinic) -> None:
    desk = Desk(clinic)
    with desk.serving() as served:
        kill_group(pair.primary.process)

    clinic.stack.wait_until_ready()
    with Redis.from_url(pair.standby.url) as standby:
        assert standby.info("replication")["role"] == "master"
    assert sorted(served) == desk.stored()
    # Jobs that the sweeper enqueued and the killed primary lost are enqueued again a minute later.
    wait_for(lambda: confirmations_sent(clinic, served) == len(served), seconds=150, what="every confirmation")
    assert clinic.audit() == AUDIT_PASSED
