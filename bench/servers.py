"""The servers under test, each over a database of its own with the same seeded clinic."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from pymongo import MongoClient
from pymongo.database import Database

from arthomed.auth.rules import code_for
from bench.clinic import Clinic, FreeSlot, Row, Size, seed
from dev.processes import Process
from dev.servers import Mongo, Valkey, free_port
from tests.stack import Stack, wait_for

PRODUCTION_CACHE = ("--wiredTigerCacheSizeGB", "2")
"""Options for a mongod with as much memory as in production, where all indexes fit into its cache."""
SECRETS = {name: os.urandom(32).hex() for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")}
_UNREACHED = "100000000"
_CONNECTIONS = 8
_LIMITS = dict.fromkeys(
    (
        "RATE_LIMIT_MAX_REQUESTS",
        "RATE_LIMIT_USER_MAX_REQUESTS",
        "RATE_LIMIT_AUTH_MAX_REQUESTS",
        "RATE_LIMIT_BOOKING_MAX_REQUESTS",
        "RATE_LIMIT_STAFF_BOOKING_MAX_REQUESTS",
        "OTP_PER_NUMBER_HOUR",
        "OTP_PER_ADDRESS_HOUR",
        "OTP_PER_CLINIC_DAY",
    ),
    _UNREACHED,
)
PRODUCTION = {
    **SECRETS,
    **_LIMITS,
    "APP_ENV": "production",
    "BOOKING_HORIZON_DAYS": "90",
    "DLT_ENTITY_ID": "1101234567890123456",
    "HOST": "127.0.0.1",
    "WEB_CONCURRENCY": "2",
    "MOST_WAITING_MS": "1000",
    "TWILIO_ACCOUNT_SID": "AC" + 32 * "0",
    "TWILIO_AUTH_TOKEN": 32 * "0",
    "TWILIO_PHONE_NUMBER": "+15005550006",
}
"""Settings of our server: production's, with limits that no load reaches."""
_PEER = {"OTP_ECHO": "1", "OTP_MAX_PER_MINUTE": _UNREACHED, "BOOK_TXN": "1", "NODE_ENV": "production", "WORKERS": "2"}
Codes = list[tuple[str, str]]
"""Mobile numbers with their codes."""


@dataclass
class Target:
    """One server under load, with its clinic. `database` is set for our server only: its responses hold no codes."""

    name: str
    url: str
    pid: int
    clinic: Clinic
    database: Database[Row] | None = None

    def book(self, slots: list[FreeSlot]) -> list[str]:
        """Book free slots; returns the ids of the appointments."""

        def post(slot: FreeSlot) -> str:
            headers = {"Authorization": f"Bearer {slot.token}"}
            response = api.post("/api/appointments/book", json=slot.body, headers=headers).raise_for_status()
            return str(response.json()["data"]["appointment"]["_id"])

        with httpx.Client(base_url=self.url, timeout=30) as api, ThreadPoolExecutor(_CONNECTIONS) as threads:
            return [*threads.map(post, slots)]

    def send_codes(self, numbers: list[str]) -> Codes:
        """Request codes for numbers; returns them."""
        bodies = [{"mobileNumber": number, "purpose": "login"} for number in numbers]
        with httpx.Client(base_url=self.url, timeout=30) as api, ThreadPoolExecutor(_CONNECTIONS) as threads:
            responses = [
                *threads.map(lambda body: api.post("/api/auth/send-otp", json=body).raise_for_status(), bodies)
            ]
        if self.database is not None:
            return stored_codes(self.database, numbers)
        return [(number, reply.json()["data"]["otp"]) for number, reply in zip(numbers, responses, strict=True)]


def stored_codes(database: Database[Row], numbers: list[str]) -> Codes:
    """Derive the codes that our server sent from what it stored."""
    stored = database.otps.find({"mobileNumber": {"$in": numbers}})
    return [(one["mobileNumber"], code_for(one["nonce"], SECRETS["OTP_SECRET"])) for one in stored]


@dataclass
class Testbed:
    """The running processes of a measurement."""

    targets: list[Target]
    mongo_pid: int
    mongo_uri: str
    redis_url: str


@contextmanager
def running_servers(folder: Path, size: Size, peer: Path | None = None) -> Iterator[Testbed]:
    """Run our server with production's settings, and the peer if its folder is given."""
    with ExitStack() as resources:
        mongo = resources.enter_context(Mongo(folder / "mongo", folder, extra_args=PRODUCTION_CACHE))
        valkey = resources.enter_context(Valkey(folder / "valkey", folder))
        client = resources.enter_context(MongoClient[Row](mongo.uri("bench")))
        stack = Stack(
            folder, mongodb_uri=mongo.uri("bench"), redis_url=valkey.url, parts=("web",), demo=False, env=PRODUCTION
        )
        resources.enter_context(stack)
        assert stack.web is not None  # noqa: S101  `parts` names it
        seeded = seed(client.bench, size, SECRETS["JWT_SECRET"])
        targets = [Target("arthomed", stack.url, stack.web.pid, seeded, client.bench)]
        if peer is not None:
            redis_url = valkey.url.removesuffix("/0") + "/1"
            process, url = resources.enter_context(_peer(peer, folder, mongo.uri("bench_peer"), redis_url))
            seeded = seed(client.bench_peer, size, SECRETS["JWT_SECRET"])
            targets.append(Target("peer", url, process.pid, seeded))
        yield Testbed(targets, mongo.pid, mongo.uri("bench"), valkey.url)


@contextmanager
def _peer(folder: Path, log_folder: Path, mongodb_uri: str, redis_url: str) -> Iterator[tuple[Process, str]]:
    port = free_port()
    servers = {"PORT": str(port), "MONGODB_URI": mongodb_uri, "REDIS_URL": redis_url}
    env = {**os.environ, **_PEER, **servers, "JWT_SECRET": SECRETS["JWT_SECRET"]}
    process = Process("peer", ["node", folder / "server.js"], log_folder / "peer.log", env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _is_healthy(f"{url}/health"), what="the peer")
        yield process, url
    finally:
        process.stop(within=5)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
