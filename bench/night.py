"""Slot generation of a large clinic: `python -m bench.night [DOCTORS]`.

A worker with two processes generates the slots of 90 days. One of the processes is killed meanwhile. A second run
finds nothing to create.
"""

import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis

from arthomed.core import jobs
from arthomed.infra import mongo
from arthomed.infra.backlog import backlogs
from arthomed.infra.queue import CeleryJobs
from arthomed.scheduling import service as scheduling
from bench import clinic
from bench.load import children, cpu_seconds
from bench.servers import PRODUCTION_CACHE
from dev.servers import Mongo, Valkey
from tests.stack import Stack, wait_for

_DOCTORS, _DAYS, _SLOTS_PER_DAY = 5000, 90, 16
_TIMEOUT_SECONDS = 3600.0
_KILL_AFTER_SECONDS = 20
_POLL_SECONDS = 0.2


def main() -> None:
    doctors = int(sys.argv[1]) if len(sys.argv) > 1 else _DOCTORS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=PRODUCTION_CACHE) as server,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        MongoClient[clinic.Row](server.uri("bench")) as client,
        Redis.from_url(valkey.url) as redis,
        Stack(
            Path(name),
            mongodb_uri=server.uri("bench"),
            redis_url=valkey.url,
            parts=("worker",),
            demo=False,
            env={"BOOKING_HORIZON_DAYS": str(_DAYS), "LOG_LEVEL": "error"},
        ) as stack,
    ):
        size = clinic.Size(doctors=doctors, days=0, readers=0, appointments=0, numbers=0, bookable=False)
        clinic.seed(client.bench, size, "a secret for tokens that are not used")
        print(f"{'':6}{'slots':>12}{'minutes':>10}{'slots/s':>10}{'workers s':>12}{'mongod s':>12}{'max. MB':>12}")
        servers = _Servers(stack, redis, client.bench, server.pid)
        _generate(servers, "new", kill_one=True)
        _generate(servers, "idle")
        slots, expected = client.bench.slots.count_documents({}), doctors * _DAYS * _SLOTS_PER_DAY
        print(
            f"{slots:,} slots; {doctors:,} doctors x {_DAYS} days: {expected:,}, minus slots of today that have begun"
        )


@dataclass(frozen=True)
class _Servers:
    stack: Stack
    redis: Redis
    database: Database[clinic.Row]
    mongo_pid: int


def _generate(servers: _Servers, label: str, *, kill_one: bool = False) -> None:
    stack, redis, database, mongo_pid = servers.stack, servers.redis, servers.database, servers.mongo_pid
    assert stack.worker is not None  # noqa: S101  `parts` names it
    worker, max_megabytes = stack.worker.pid, 0.0
    started, cpu_before = time.monotonic(), [cpu_seconds(worker), cpu_seconds(mongo_pid)]
    jobs.use(CeleryJobs(stack.env["REDIS_URL"]))
    mongo.open_database(stack.env["MONGODB_URI"], timeout_ms=mongo.WORKER_TIMEOUT_MS)
    scheduling.enqueue_generation()

    def is_done() -> bool:
        nonlocal max_megabytes, kill_one
        max_megabytes = max([max_megabytes, *map(_megabytes, children(worker))])
        is_running = database.slots.estimated_document_count() > 0 and time.monotonic() - started > _KILL_AFTER_SECONDS
        if kill_one and is_running:
            os.kill(children(worker)[-1], signal.SIGKILL)
            kill_one = False
        time.sleep(_POLL_SECONDS)
        return not backlogs(redis)["slots"].count and not redis.hlen("unacked")

    wait_for(is_done, seconds=_TIMEOUT_SECONDS, what="the end of slot generation")
    seconds = time.monotonic() - started
    worker_cpu, mongo_cpu = cpu_seconds(worker) - cpu_before[0], cpu_seconds(mongo_pid) - cpu_before[1]
    slots = database.slots.estimated_document_count()
    speed = f"{seconds / 60:10.1f}{slots / seconds:10,.0f}"
    print(f"{label:6}{slots:12,}{speed}{worker_cpu:12.0f}{mongo_cpu:12.0f}{max_megabytes:12.0f}", flush=True)


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().split("\n")
    except FileNotFoundError:  # the process has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


if __name__ == "__main__":
    main()
