"""A night of a large clinic: `python -m bench.night [DOCTORS]`.

All slots of 90 days are made by a real worker with two processes, one of which is killed by force on the way; then
again, with nothing to do.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from pymongo import MongoClient
from pymongo.database import Database
from redis import Redis

from arthomed.core import jobs
from arthomed.infra import mongo
from arthomed.infra.queue import CeleryJobs, waiting
from arthomed.scheduling import service as scheduling
from bench import clinic
from bench.load import children, cpu_of
from bench.servers import ROOMY
from dev.servers import Mongo, Valkey
from tests.stack import Stack, wait_for

_DOCTORS, _DAYS, _SLOTS_A_DAY = 5000, 90, 16
_HOURS = 3600.0


def main() -> None:
    doctors = int(sys.argv[1]) if len(sys.argv) > 1 else _DOCTORS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=ROOMY) as server,
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
        size = clinic.Size(doctors=doctors, days=0, readers=0, visits=0, numbers=0, can_be_booked=False)
        clinic.seed(client.bench, size, "no token is asked for: this is for the seed only")
        print(f"{'':6}{'slots':>12}{'minutes':>10}{'slots/s':>10}{'workers s':>12}{'mongod s':>12}{'MB at most':>12}")
        _night(stack, redis, client.bench, server.pid, "new", kill_one=True)
        _night(stack, redis, client.bench, server.pid, "idle")
        found, wanted = client.bench.slots.count_documents({}), doctors * _DAYS * _SLOTS_A_DAY
        print(f"{found:,} slots; {_DAYS} days of {doctors:,} doctors are {wanted:,}, some of today's have begun")


def _night(
    stack: Stack,
    redis: Redis,
    database: Database[clinic.Row],
    mongo_pid: int,
    what: str,
    *,
    kill_one: bool = False,
) -> None:
    assert stack.worker is not None  # noqa: S101  it was asked for
    worker, most = stack.worker.pid, 0.0
    started, cpu = time.monotonic(), [cpu_of(worker), cpu_of(mongo_pid)]
    jobs.use(CeleryJobs(stack.env["REDIS_URL"]))
    mongo.open_database(stack.env["MONGODB_URI"], timeout_ms=mongo.WORKER_TIMEOUT_MS)
    scheduling.enqueue_generation()

    def is_done() -> bool:
        nonlocal most, kill_one
        most = max([most, *map(_megabytes, children(worker))])
        if kill_one and database.slots.estimated_document_count() > 0 and time.monotonic() - started > 20:  # noqa: PLR2004
            os.kill(children(worker)[-1], signal.SIGKILL)
            kill_one = False
        time.sleep(0.2)  # between two samples of the memory
        return not waiting(redis)["slots"].count and not redis.hlen("unacked")

    wait_for(is_done, seconds=_HOURS, what="the end of the night")
    took, used = time.monotonic() - started, [cpu_of(worker) - cpu[0], cpu_of(mongo_pid) - cpu[1]]
    slots = database.slots.estimated_document_count()
    times = f"{took / 60:10.1f}{slots / took:10,.0f}"
    print(f"{what:6}{slots:12,}{times}{used[0]:12.0f}{used[1]:12.0f}{most:12.0f}", flush=True)


def _megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().split("\n")
    except FileNotFoundError:  # it ended just now
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


if __name__ == "__main__":
    main()
