"""The servers that are measured, each over a database of its own that holds the same clinic."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pymongo import MongoClient

from arthomed.auth.rules import code_for
from bench import clinic
from bench.clinic import Clinic, Size
from dev.processes import Process
from dev.servers import Mongo, Valkey, free_port
from tests.stack import Stack, wait_for

ROOMY = ("--wiredTigerCacheSizeGB", "2")
"""For a mongod with the memory that one in production has, where indexes fit into it."""
_SECRETS = {name: os.urandom(32).hex() for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")}
_MANY = "100000000"
_ASKING = 8
_LIMITS = {
    f"{name}": _MANY
    for name in (
        "RATE_LIMIT_MAX_REQUESTS",
        "RATE_LIMIT_USER_MAX_REQUESTS",
        "RATE_LIMIT_AUTH_MAX_REQUESTS",
        "RATE_LIMIT_BOOKING_MAX_REQUESTS",
        "OTP_PER_NUMBER_HOUR",
        "OTP_PER_ADDRESS_HOUR",
        "OTP_PER_CLINIC_DAY",
    )
}
_OURS = {
    "BOOKING_HORIZON_DAYS": "90",
    **_SECRETS,
    **_LIMITS,
    "APP_ENV": "production",
    "DLT_ENTITY_ID": "1101234567890123456",
    "HOST": "127.0.0.1",
    "WEB_CONCURRENCY": "2",
    "MOST_WAITING_MS": "1000",
    "TWILIO_ACCOUNT_SID": "AC0",
    "TWILIO_AUTH_TOKEN": "none",
    "TWILIO_PHONE_NUMBER": "+15005550006",
}
_PEER = {"OTP_ECHO": "1", "OTP_MAX_PER_MINUTE": _MANY, "BOOK_TXN": "1", "NODE_ENV": "production", "WORKERS": "2"}


@dataclass
class Side:
    """One server with its clinic; `database` holds ours, whose codes nobody is told."""

    name: str
    url: str
    pid: int
    clinic: Clinic
    database: Any = None

    def codes(self, numbers: list[str]) -> list[tuple[str, str]]:
        """Ask for the codes of numbers, and find them out."""
        bodies = [{"mobileNumber": number, "purpose": "login"} for number in numbers]
        with httpx.Client(base_url=self.url, timeout=30) as api, ThreadPoolExecutor(_ASKING) as threads:
            answers = threads.map(lambda body: api.post("/api/auth/send-otp", json=body).raise_for_status(), bodies)
            told = [answer.json()["data"] for answer in answers]
        if self.database is None:
            return [(number, one["otp"]) for number, one in zip(numbers, told, strict=True)]
        found = self.database.otps.find({"mobileNumber": {"$in": numbers}})
        return [(one["mobileNumber"], code_for(one["nonce"], _SECRETS["OTP_SECRET"])) for one in found]


@dataclass
class Machines:
    """Everything that runs for a measurement."""

    sides: list[Side]
    mongo_pid: int
    mongo_uri: str
    redis_url: str


@contextmanager
def running(folder: Path, size: Size, peer: Path | None = None) -> Iterator[Machines]:
    """Our server in production's settings, and another one beside it where its folder is given."""
    with ExitStack() as opened:
        mongo = opened.enter_context(Mongo(folder / "mongo", folder, extra_args=ROOMY))
        valkey = opened.enter_context(Valkey(folder / "valkey", folder))
        client = opened.enter_context(MongoClient[clinic.Row](mongo.uri("bench")))
        stack = Stack(
            folder, mongodb_uri=mongo.uri("bench"), redis_url=valkey.url, parts=("web",), demo=False, env=_OURS
        )
        opened.enter_context(stack)
        assert stack.web is not None  # noqa: S101  it was asked for
        seeded = clinic.seed(client.bench, size, _SECRETS["JWT_SECRET"])
        sides = [Side("arthomed", stack.url, stack.web.pid, seeded, client.bench)]
        if peer is not None:
            redis_url = valkey.url.removesuffix("/0") + "/1"
            process, url = opened.enter_context(_node(peer, folder, mongo.uri("bench_peer"), redis_url))
            seeded = clinic.seed(client.bench_peer, size, _SECRETS["JWT_SECRET"])
            sides.append(Side("peer", url, process.pid, seeded))
        yield Machines(sides, mongo.pid, mongo.uri("bench"), valkey.url)


@contextmanager
def _node(peer: Path, folder: Path, mongodb_uri: str, redis_url: str) -> Iterator[tuple[Process, str]]:
    port = free_port()
    servers = {"PORT": str(port), "MONGODB_URI": mongodb_uri, "REDIS_URL": redis_url}
    env = {**os.environ, **_PEER, **servers, "JWT_SECRET": _SECRETS["JWT_SECRET"]}
    process = Process("peer", ["node", peer / "server.js"], folder / "peer.log", env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(f"{url}/health"), what="the peer")
        yield process, url
    finally:
        process.stop(within=5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
