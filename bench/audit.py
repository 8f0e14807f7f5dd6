"""Whether slow writes to the audit trail slow down reads: `python -m bench.audit [READS]`."""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

from pymongo import MongoClient

from arthomed.core.permissions import Role
from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic, Headers
from tests.stack import Stack, wait_for

_READS, _THREADS, _WARM_UP = 1000, 4, 100
_SLOW_MS = 1000
_TEST_COMMANDS = ["--setParameter", "enableTestCommands=1"]


def main() -> None:
    reads = int(sys.argv[1]) if len(sys.argv) > 1 else _READS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=_TEST_COMMANDS) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        MongoClient[dict[str, Any]](mongo.uri("arthomed")) as database,
    ):
        uri = mongo.uri("arthomed")
        stack = Stack(Path(name), mongodb_uri=uri, redis_url=valkey.url, parts=("web",), demo=False)
        with stack, Clinic(stack) as clinic:
            _compare(clinic, database, reads)


def _compare(clinic: Clinic, database: MongoClient[dict[str, Any]], reads: int) -> None:
    receptionist, doctor = clinic.person(Role.RECEPTIONIST), clinic.doctor(slots=1)
    appointment = clinic.book(clinic.patients(1)[0], doctor).json()["data"]["appointment"]
    path = f"/appointments/{appointment['_id']}"
    _read(clinic, path, receptionist.headers, _WARM_UP)
    print(f"milliseconds of {reads} reads in {_THREADS} threads{'':8}p50      p95      max")
    _print_row("the trail as it is", _read(clinic, path, receptionist.headers, reads))
    with _slow_trail(database):
        _print_row(f"each write to it takes {_SLOW_MS} ms", _read(clinic, path, receptionist.headers, reads))
    expected = 2 * reads + _WARM_UP
    trail = database.arthomed.audit_events
    wait_for(lambda: trail.count_documents({"action": "read"}) >= expected, seconds=60, what="the last audit event")
    print(f"reads recorded: {trail.count_documents({'action': 'read'})} of {expected}")


@contextmanager
def _slow_trail(database: MongoClient[dict[str, Any]]) -> Iterator[None]:
    slow = {"failCommands": ["insert"], "blockConnection": True, "blockTimeMS": _SLOW_MS}
    data = {**slow, "namespace": "arthomed.audit_events"}
    database.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)
    try:
        yield
    finally:
        database.admin.command("configureFailPoint", "failCommand", mode="off")


def _read(clinic: Clinic, path: str, headers: Headers, reads: int) -> list[float]:
    def timed(_: int) -> float:
        started = time.perf_counter()
        response = clinic.api.get(path, headers=headers)
        milliseconds = (time.perf_counter() - started) * 1000
        response.raise_for_status()
        return milliseconds

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(timed, range(reads)))


def _print_row(label: str, times: list[float]) -> None:
    points = quantiles(times, n=20)
    print(f"{label:44}{points[9]:5.1f}{points[18]:9.1f}{max(times):9.1f}")


if __name__ == "__main__":
    main()
