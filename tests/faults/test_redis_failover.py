"""kill -9 for the Redis that is the primary, behind HAProxy as deploy/haproxy.cfg has it, while people book."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from dev import binaries
from dev.processes import Process
from dev.servers import Valkey, free_port
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic
from tests.faults.conftest import Fragile
from tests.faults.test_several_hosts import BOOKINGS, CLIENTS, Desk, confirmations_sent
from tests.stack import ROOT, Stack, kill_group, wait_for

HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SENTINEL = """
port {port}
sentinel monitor clinic 127.0.0.1 {primary} 1
sentinel down-after-milliseconds clinic 1000
sentinel failover-timeout clinic 5000
"""

pytestmark = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed here")


@dataclass(frozen=True)
class Pair:
    primary: Valkey
    standby: Valkey
    url: str


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two servers, a Sentinel that watches them, and the address that leads to the primary."""
    with (
        Valkey(tmp_path / "one", tmp_path / "one-log") as primary,
        Valkey(
            tmp_path / "other", tmp_path / "other-log", extra_args=["--replicaof", "127.0.0.1", str(primary.port)]
        ) as standby,
        sentinel(tmp_path, primary) as watching,
        haproxy(tmp_path, primary, standby) as url,
    ):
        wait_for(lambda: sees_standby(watching), what="Sentinel's sight of the standby")
        yield Pair(primary, standby, url)


def sees_standby(url: str) -> bool:
    with suppress(RedisError), Redis.from_url(url) as asked:
        return bool(asked.execute_command("SENTINEL REPLICAS clinic"))
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
    there = ("bind :6379", "10.0.0.21:6379", "10.0.0.22:6379")
    here = (f"bind 127.0.0.1:{port}", *(f"127.0.0.1:{server.port}" for server in servers))
    for old, new in zip(there, here, strict=True):
        assert old in settings
        settings = settings.replace(old, new)
    (folder / "haproxy.cfg").write_text(settings)
    process = Process("haproxy", [str(HAPROXY), "-f", folder / "haproxy.cfg"], folder / "haproxy.log")
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.stop(within=5)


@pytest.fixture
def clinic(_fragile: Fragile, pair: Pair, tmp_path: Path) -> Iterator[Clinic]:
    stack = Stack(
        tmp_path / "stack",
        mongodb_uri=_fragile.mongo.uri("arthomed_failover"),
        redis_url=pair.url,
        demo=False,
        env=_fragile.gateway.settings,
    )
    with stack, Clinic(stack) as found:
        yield found


@pytest.mark.long
def test_a_standby_takes_over_and_every_booking_and_message_is_there(pair: Pair, clinic: Clinic) -> None:
    desk, patients = Desk(clinic), clinic.patients(BOOKINGS)
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(desk.serve, *one) for one in enumerate(patients)]
        wait_for(lambda: sum(one.done() for one in asked) > BOOKINGS // 4, seconds=60, what="a quarter of the bookings")
        kill_group(pair.primary.process)
        served = [visit for one in asked if (visit := one.result())]

    clinic.stack.wait_until_ready()
    with Redis.from_url(pair.standby.url) as standby:
        assert standby.info("replication")["role"] == "master"
    assert sorted(served) == sorted(clinic.database.appointments.distinct("_id", {"doctor": desk.doctor}))
    # What a sweep asked for, and the primary took along, is asked for again a minute later.
    wait_for(lambda: confirmations_sent(clinic, served) == len(served), seconds=150, what="every confirmation")
    assert clinic.audit() == BOOKS_IN_ORDER
