"""Searches of the desk among many patients: `python -m bench.patient_search [PATIENTS] [FOLDER]`.

A request goes through the whole application in this process: token, session, search, page and audit event.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

import pymongo
from bson import ObjectId
from flask import Flask
from mongoengine.connection import get_db
from pymongo import MongoClient
from pymongo.database import Database

from arthomed.app import create_app
from arthomed.audit import service as audit
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.infra import migrations
from arthomed.users.models import User
from bench.servers import PRODUCTION_CACHE
from dev.servers import Mongo, Valkey
from tests import factories
from tests.factories import SignedIn
from tests.migrations import records

_PATIENTS, _OWN_PATIENTS, _OF_EACH_KIND, _BATCH = 1_000_000, 5_000, 50, 5_000
_FIRST = """
Aarav Aditi Ajay Akash Amit Anil Anita Anjali Arjun Arun Asha Ashok Deepa Deepak Divya Farhan Fatima Gaurav Geeta Gita
Harish Imran Indira Irfan Jaya Jyoti Kamala Karan Kavita Kiran Lakshmi Lata Leela Madhu Mahesh Manoj Meera Mohan
Mohammed Mukesh Nandini Neha Nikhil Nisha Pooja Prakash Pradeep Priya Radha Rahul Rajesh Rakesh Ramesh Rani Ravi Rekha
Ritu Rohit Sandeep Sangeeta Sanjay Santosh Sarita Seema Shanti Shilpa Sita Sunil Sunita Suresh Usha Vijay Vikram Vinod
Yasmin
"""
_LAST = """
Kumar Singh Devi Sharma Patel Das Khan Yadav Gupta Ali Begum Reddy Shah Verma Rao Nair Iyer Jain Mishra Pandey Chauhan
Joshi Kaur Prasad Roy Ghosh Bose Sen Dutta Mukherjee Banerjee Chatterjee Pillai Menon Naidu Gowda Hegde Shetty Kulkarni
Deshpande Patil Pawar Jadhav More Shinde Gaikwad Chavan Bhosale Thakur Rajput Rathore Meena Saini Agarwal Bansal Mittal
Goel Kapoor Malhotra Khanna Mehta Desai Trivedi Dave Bhatt Parmar Solanki Ansari Sheikh Siddiqui Qureshi D'Souza
Fernandes Thomas Mathew George Varghese Krishnan Subramanian Venkatesan
"""
_FLATTENING = 5  # of the Zipf distribution: the most common last name has some 7 %
_WITH_MIDDLE_NAME = 0.2
_AN_HOUR = 3600.0


def main() -> None:
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else _PATIENTS
    with (
        tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name,  # noqa: PLR2004
        Mongo(Path(name) / "mongo", Path(name), extra_args=PRODUCTION_CACHE) as server,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
    ):
        os.environ |= {"APP_ENV": "test", "LOG_LEVEL": "error", "VAR_DIR": name, "UPLOADS_DIR": name}
        os.environ |= {"MONGODB_URI": server.uri("bench"), "REDIS_URL": valkey.url}
        os.environ |= {"RATE_LIMIT_MAX_REQUESTS": "1000000", "RATE_LIMIT_USER_MAX_REQUESTS": "1000000"}
        with MongoClient[dict[str, Any]](server.uri("bench")) as client:
            people = _seed(client.bench, patients)
        app = create_app(settings())
        started = time.monotonic()
        with pymongo.timeout(_AN_HOUR):
            migrations.upgrade(settings().mongodb_uri)
        print(f"{patients:,} patients; all migrations took {time.monotonic() - started:.0f} s", flush=True)
        _print_sizes()
        _measure(app, people)
    print(f"load average: {os.getloadavg()[0]:.1f}")


def _seed(database: Database[dict[str, Any]], how_many: int) -> list[tuple[str, str]]:
    """Insert patients; returns some of their names and numbers."""
    rng = random.Random(7)  # noqa: S311  for data
    numbers = rng.sample(range(6_000_000_000, 10_000_000_000), how_many)
    people = list(zip(_names(rng, how_many), map(str, numbers), strict=True))
    remaining = iter(people)
    while batch := list(islice(remaining, _BATCH)):
        database.users.insert_many([_patient(*one) for one in batch], ordered=False)
    return rng.sample(people, min(how_many, _OWN_PATIENTS))


def _names(rng: random.Random, how_many: int) -> Iterator[str]:
    first, middle, last = (_picked(rng, names.split(), how_many) for names in (_FIRST, _FIRST, _LAST))
    for parts in zip(first, middle, last, strict=True):
        yield " ".join(parts if rng.random() < _WITH_MIDDLE_NAME else parts[::2])


def _picked(rng: random.Random, names: list[str], how_many: int) -> list[str]:
    return rng.choices(names, [1 / (rank + _FLATTENING) for rank in range(len(names))], k=how_many)


def _patient(name: str, mobile: str) -> dict[str, Any]:
    """Make a patient without search keys, which the migration adds."""
    now = clock.now()
    return records.user(name=name, mobileNumber=mobile, profile={}, createdAt=now, updatedAt=now)


def _print_sizes() -> None:
    stats = get_db().command("collStats", "users")
    print(f"a user has {stats['avgObjSize']:.0f} bytes; the index by_search_key has", end=" ")
    print(f"{stats['indexSizes']['by_search_key'] / stats['count']:.0f} bytes a user")


def _measure(app: Flask, people: list[tuple[str, str]]) -> None:
    desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    doctor = factories.sign_in(app, _doctor_of([mobile for _, mobile in people]))
    rng, everything = random.Random(8), []  # noqa: S311
    print(f"{'':34}{'p50 ms':>8}{'p95 ms':>8}{'max ms':>8}")
    for kind, typed in _SEARCHES.items():
        texts = [typed(rng, *rng.choice(people)) for _ in range(_OF_EACH_KIND)]
        everything += (times := [*_times(app, desk, texts)])
        _print(kind, times)
    _print("all", everything)
    names = [name for name, _ in rng.sample(people, _OF_EACH_KIND)]
    _print(f"a doctor's {len(people):,} own, first name", [*_times(app, doctor, [name.split()[0] for name in names])])
    audit.flush()  # before the servers stop


_SEARCHES: dict[str, Callable[[random.Random, str, str], str]] = {
    "two to four letters": lambda rng, name, _: rng.choice(name.split())[: rng.randint(2, 4)],
    "last name": lambda _, name, __: name.split()[-1],
    "whole name": lambda _, name, __: name.lower(),
    "two letters of two words": lambda _, name, __: " ".join(word[:2] for word in reversed(name.split()[-2:])),
    "last four digits": lambda _, __, mobile: mobile[-4:],
    "whole number": lambda _, __, mobile: f"+91 {mobile[:5]} {mobile[5:]}",
}


def _times(app: Flask, caller: SignedIn, texts: list[str]) -> Iterator[float]:
    """Send a request for each text; yields its milliseconds."""
    client = app.test_client()
    for text in texts:
        started = time.perf_counter()
        response = client.get("/api/patients", query_string={"search": text}, headers=caller.headers)
        yield (time.perf_counter() - started) * 1000
        if not factories.data_of(response)["items"]:
            sys.exit(f"{text} finds nobody")


def _print(kind: str, times: list[float]) -> None:
    points = quantiles(times, n=20)
    print(f"{kind:34}{points[9]:8.1f}{points[18]:8.1f}{max(times):8.1f}", flush=True)


def _doctor_of(mobiles: list[str]) -> User:
    """Insert a doctor, and a completed appointment with each of these patients."""
    doctor = factories.make_user(Role.DOCTOR)
    ids = [row["_id"] for row in get_db().users.find({"mobileNumber": {"$in": mobiles}}, {"_id": 1})]
    made = [
        records.appointment(patient=one, doctor=doctor.id, status="completed", seat=at + 1, slot=ObjectId())
        for at, one in enumerate(ids)
    ]
    get_db().appointments.insert_many(made)
    return doctor


if __name__ == "__main__":
    main()
