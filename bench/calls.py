"""Function calls and messages to the databases per request: `python -m bench.calls`.

The WSGI application runs in this process, without gunicorn, over a real MongoDB and a real Valkey, with production's
settings. One request runs at a time, so the load of the machine does not change the figures. They are medians over the
requests to one endpoint, and count the thread of the request only. A read is measured twice: the first request finds no
cache entry, the second does.
"""

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from socket import socket
from statistics import median
from types import BuiltinMethodType, FrameType

from flask import Flask
from pymongo import MongoClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from bench.clinic import Clinic, Row, Size, move_request, seed, send_otp_requests, verify_otp_requests
from bench.servers import PRODUCTION, PRODUCTION_CACHE, SECRETS, stored_codes
from dev.servers import Mongo, Valkey
from tests.stack import Stack

_WARM_UP, _SAMPLES = 10, 30
_SIZE = Size(doctors=400, days=12, readers=400, numbers=200)
_COLUMNS = ("calls", "Python", "C", "MongoDB", "Redis")
Counts = Counter[str]


class CallCounter:
    """A profile function: counts calls, and messages sent to the servers on the named ports."""

    def __init__(self, ports: dict[int, str]) -> None:
        self._ports = ports
        self.counts: Counts = Counter()

    def __call__(self, _frame: FrameType, event: str, function: object) -> None:
        if event == "call":
            self.counts["Python"] += 1
        elif event == "c_call":
            self.counts["C"] += 1
            if isinstance(function, BuiltinMethodType) and function.__name__ == "sendall":
                assert isinstance(function.__self__, socket)  # noqa: S101  no other class of ours has this method
                self.counts[self._ports[function.__self__.getpeername()[1]]] += 1

    def measure(self, work: Callable[[], object]) -> Counts:
        """Count what one call of `work` does in this thread."""
        self.counts = Counter()
        sys.setprofile(self)
        try:
            work()
        finally:
            sys.setprofile(None)
        self.counts["calls"] = self.counts["Python"] + self.counts["C"]
        return self.counts


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        Mongo(Path(name) / "mongo", Path(name), extra_args=PRODUCTION_CACHE) as mongo,
        Valkey(Path(name) / "valkey", Path(name)) as valkey,
        MongoClient[Row](mongo.uri("bench")) as client,
        Path(os.devnull).open("w") as devnull,
    ):
        servers = {"mongodb_uri": mongo.uri("bench"), "redis_url": valkey.url}
        stack = Stack(Path(name), **servers, parts=(), demo=False, env=PRODUCTION)
        with stack:
            clinic = seed(client.bench, _SIZE, SECRETS["JWT_SECRET"])
            os.environ |= stack.env
            counter = CallCounter({mongo.port: "MongoDB", valkey.port: "Redis"})
            print(f"{'':23}", *(f"{column:>9}" for column in _COLUMNS), sep="")
            with redirect_stderr(devnull):  # the log lines of the requests
                for endpoint, counts in _measure(counter, clinic, client):
                    cells = (median(one[column] for one in counts) for column in _COLUMNS)
                    print(f"{endpoint:23}", *(f"{cell:9,.0f}" for cell in cells), sep="", flush=True)


def _measure(counter: CallCounter, clinic: Clinic, client: MongoClient[Row]) -> Iterator[tuple[str, Sequence[Counts]]]:
    from wsgi import app  # noqa: PLC0415  it reads the environment, which `main` sets

    def play(lines: Sequence[str]) -> list[Counts]:
        return [_play(counter, app, line) for line in lines]

    for endpoint, lines in _reads(clinic).items():
        play(lines[:_WARM_UP])
        sampled = lines[_WARM_UP:][:_SAMPLES]
        yield f"{endpoint}, first", play(sampled)
        yield f"{endpoint}, again", play(sampled)
    how_many = _WARM_UP + _SAMPLES
    yield "book", play(clinic.bookings(how_many))[_WARM_UP:]
    yield "manual", play(clinic.bookings_at_desk(how_many))[_WARM_UP:]
    pairs = clinic.pairs_of_slots(how_many)
    play([old.booking() for old, _ in pairs])
    newest = client.bench.appointments.find({}, {"_id": 1}).sort("_id", -1).limit(len(pairs))
    booked = [str(row["_id"]) for row in newest][::-1]
    moves = [move_request(old.token, one, to=new) for one, (old, new) in zip(booked, pairs, strict=True)]
    yield "reschedule", play(moves)[_WARM_UP:]
    numbers = clinic.next_numbers(how_many)
    yield "send-otp", play(send_otp_requests(numbers))[_WARM_UP:]
    codes = stored_codes(client.bench, numbers)
    yield "verify-otp", play(verify_otp_requests(codes))[_WARM_UP:]


def _reads(clinic: Clinic) -> dict[str, list[str]]:
    """Make different requests, so that none finds a cache entry of an earlier one."""
    pages = [clinic.reads(f"/api/users/doctors?page={page}&limit=10")[0] for page in range(1, _WARM_UP + _SAMPLES + 1)]
    return {
        "slots": clinic.slots(),
        "doctors": pages,
        "my-appointments": clinic.reads("/api/appointments/my-appointments?page=1&limit=10"),
    }


def _play(counter: CallCounter, app: Flask, line: str) -> Counts:
    """Send one request to the application, and read its response."""
    method, path, token, body = line.split("\t")
    headers = [] if token == "-" else [("Authorization", f"Bearer {token}")]  # noqa: S105  a placeholder
    environ = EnvironBuilder(
        path=path,
        method=method,
        headers=headers,
        data=None if body == "-" else body,
        content_type=None if body == "-" else "application/json",
    ).get_environ()
    statuses: list[str] = []

    def request() -> None:
        _, status, _ = run_wsgi_app(app, environ, buffered=True)
        statuses.append(status)

    counts = counter.measure(request)
    if not statuses[0].startswith("2"):
        sys.exit(f"{method} {path}: {statuses[0]}")
    return counts


if __name__ == "__main__":
    main()
