"""Sizes of documents and indexes, and the storage of a large clinic: `python -m bench.sizes [COPIES]`.

The application creates one document of each kind, over HTTP or as part of the demo clinic. Copies of it with other
people, days and keys then fill the collections in random order, as real users would.
"""

import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from arthomed.core.permissions import Role
from dev.servers import Mongo, Valkey
from tests.faults.clinic import Clinic
from tests.stack import Stack

_COPIES, _BATCH = 50_000, 5_000
_PEOPLE = [ObjectId() for _ in range(5_000)]
_DAYS = 365
_DUPLICATE_KEY = 11_000
_NO_EXPIRY = ["--setParameter", "ttlMonitorSleepSecs=3600"]
_GB = 1e9
_DOCTORS, _PATIENTS = 100_000, 50_000_000
_YEARS = 3
_APPOINTMENTS = _YEARS * 4 * _PATIENTS  # four per patient and year
_COUNTS = {
    "users": _PATIENTS + _DOCTORS,
    "sessions": _PATIENTS,
    "slots": _YEARS * _DOCTORS * 16 * 312,  # 16 half hours on six days a week
    "appointments": _APPOINTMENTS,
    "notifications": 3 * _APPOINTMENTS,
    "audit_events": 5 * _APPOINTMENTS,
    "idempotency_keys": _APPOINTMENTS // (_YEARS * 365),  # kept for one day
}

Document = dict[str, Any]


def main() -> None:
    """Measure, and print a table."""
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else _COPIES
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=_NO_EXPIRY) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        MongoClient[Document](mongo.uri("arthomed"), tz_aware=True) as client,
    ):
        stack = Stack(Path(name), mongodb_uri=mongo.uri("arthomed"), redis_url=valkey.url, parts=("web",))
        with stack, Clinic(stack) as clinic:
            _create_documents(clinic)
        for collection in _COUNTS:
            _fill(client.arthomed, collection, copies)
        client.admin.command("fsync")  # the statistics count files
        _print_sizes(client.arthomed)


def _create_documents(clinic: Clinic) -> None:
    doctor = clinic.doctor(slots=3)
    for patient, time in zip(clinic.patients(3), clinic.times(doctor), strict=True):
        response = clinic.book(patient, doctor, time, **{"Idempotency-Key": str(uuid4())})
        appointment_id = response.json()["data"]["appointment"]["_id"]
        clinic.change_status(clinic.person(Role.RECEPTIONIST), appointment_id, "confirmed")
        clinic.api.get(f"/appointments/{appointment_id}", headers=clinic.person(Role.RECEPTIONIST).headers)


def _fill(database: Database[Document], name: str, copies: int) -> None:
    samples = [*database[name].find()]
    for _ in range(0, copies, _BATCH):
        batch = [_copy(random.choice(samples)) for _ in range(_BATCH)]  # noqa: S311  no secret
        try:
            database[name].insert_many(batch, ordered=False)
        except BulkWriteError as error:  # random copies may take the same seat
            if any(one["code"] != _DUPLICATE_KEY for one in error.details["writeErrors"]):
                raise


def _copy(sample: Mapping[str, Any]) -> Document:
    delay = timedelta(days=random.randrange(_DAYS))  # noqa: S311
    return {key: _vary(key, value, delay) for key, value in sample.items()} | {"_id": ObjectId()}


def _vary(key: str, value: object, delay: timedelta) -> object:
    if isinstance(value, ObjectId):
        return random.choice(_PEOPLE) if key in ("doctor", "actor") else ObjectId(random.randbytes(12))  # noqa: S311
    if isinstance(value, datetime):
        return value + delay
    if isinstance(value, dict):
        return {inner: _vary(inner, one, delay) for inner, one in value.items()}
    if isinstance(value, list):
        return [_vary(key, one, delay) for one in value]
    if key == "mobileNumber":
        return str(random.randrange(6 * 10**9, 10**10))  # noqa: S311
    return str(uuid4()) if key == "key" else value


def _print_sizes(database: Database[Document]) -> None:
    print(f"| {'collection':17}| document, bytes | indexes, bytes | documents | data, GB | indexes, GB |")
    data_total = index_total = 0.0
    for name, count in _COUNTS.items():
        stats = database.command("collStats", name)
        size, indexes = stats["avgObjSize"], stats["totalIndexSize"] / stats["count"]
        data_total, index_total = data_total + size * count / _GB, index_total + indexes * count / _GB
        gigabytes = f"{size * count / _GB:,.0f} | {indexes * count / _GB:,.0f}"
        print(f"| `{name}` | {size:.0f} | {indexes:.0f} | {count:,} | {gigabytes} |")
    print(f"| all | | | | {data_total:,.0f} | {index_total:,.0f} |\n")
    for line in _largest_indexes(database):
        print(line)


def _largest_indexes(database: Database[Document]) -> Iterator[str]:
    for name in _COUNTS:
        stats = database.command("collStats", name)
        sizes = sorted(stats["indexSizes"].items(), key=lambda one: -one[1])
        yield f"{name}: " + ", ".join(f"{index} {size / stats['count']:.0f}" for index, size in sizes)


if __name__ == "__main__":
    main()
