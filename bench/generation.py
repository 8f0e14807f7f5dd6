"""Slot generation in this process: `python -m bench.generation [DOCTORS]`."""

import os
import sys
import tempfile
import time
from pathlib import Path

from pymongo import MongoClient

from arthomed.app import wire
from arthomed.config import settings
from arthomed.infra import migrations, mongo
from arthomed.scheduling import service
from bench import clinic
from bench.servers import PRODUCTION_CACHE
from dev.servers import Mongo, Valkey

_DOCTORS, _IDLE_ROUNDS = 200, 3


def main() -> None:
    doctors = int(sys.argv[1]) if len(sys.argv) > 1 else _DOCTORS
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=PRODUCTION_CACHE) as server,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        MongoClient[clinic.Row](server.uri("bench")) as client,
    ):
        os.environ |= {"APP_ENV": "test", "LOG_LEVEL": "error", "VAR_DIR": name, "BOOKING_HORIZON_DAYS": "90"}
        os.environ |= {"MONGODB_URI": server.uri("bench"), "REDIS_URL": valkey.url}
        _measure(client, clinic.Size(doctors=doctors, days=0, readers=0, appointments=0, numbers=0, bookable=False))


def _measure(client: MongoClient[clinic.Row], size: clinic.Size) -> None:
    wire(settings(), database_timeout_ms=mongo.WORKER_TIMEOUT_MS)
    migrations.upgrade(settings().mongodb_uri)
    clinic.seed(client.bench, size, "a secret for tokens that are not used")
    print(f"{'':6}{'slots':>10}{'slots/s':>10}{'slots/CPU s':>18}")
    slots = 0
    for label in ("new", *["idle"] * _IDLE_ROUNDS):  # an idle run checks all slots, and creates none
        started, cpu_before = time.perf_counter(), time.process_time()
        slots += service.generate()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_before
        print(f"{label:6}{slots:10,}{slots / seconds:10,.0f}{slots / cpu:18,.0f}", flush=True)


if __name__ == "__main__":
    main()
