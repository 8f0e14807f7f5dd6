"""A process that cannot work ends at once, with one line that names the cause and the remedy."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from arthomed.core.jobs import Job
from arthomed.infra import roles
from dev.processes import Process, stop_all
from dev.servers import Mongo, Valkey, free_port
from tests.infra.standalone import Standalone, Uninitiated
from tests.stack import BIN, Stack, wait_for
from tests.unit.config.environment import PRODUCTION

WEB = ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")
WORKER, BEAT = ("celery", "-A", "workers.app", "worker", "-c", "1"), ("celery", "-q", "-A", "workers.app", "beat")
REMEDY = "start mongod with --replSet rs0, and run rs.initiate() in mongosh once"
TIMES = ("firstFailedAt", "lastFailedAt")
SECONDS = 60

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The addresses of mongods without transactions, and of one with access control whose database is migrated."""
    folder = tmp_path_factory.mktemp("mongods")
    with (
        Standalone(folder / "standalone", folder / "1") as standalone,
        Uninitiated(folder / "uninitiated", folder / "2") as uninitiated,
        Mongo(folder / "guarded", folder / "3", key="only+for+the+tests" * 2) as guarded,
    ):
        _create_users(guarded, folder)
        yield {
            "standalone": standalone.uri("clinic"),
            "named": f"mongodb://127.0.0.1:{standalone.port}/clinic?replicaSet=rs0",
            "discovered": f"mongodb://127.0.0.1:{uninitiated.port}/clinic",
            "uninitiated": uninitiated.uri("clinic"),
            "application": guarded.uri("clinic", "application:of-the-tests@"),
            "stranger": guarded.uri("clinic", "nobody:of-the-tests@"),
            "nowhere": f"mongodb://127.0.0.1:{free_port()}/clinic",
        }


def _create_users(server: Mongo, folder: Path) -> None:
    with MongoClient[dict[str, Any]](server.uri("clinic"), **server.root) as root:
        root.clinic.command("createUser", "owner", pwd="of-the-tests", roles=["dbOwner"])
    owner = server.uri("clinic", "owner:of-the-tests@")
    stack = Stack(folder, mongodb_uri=owner, redis_url="redis://127.0.0.1:1/0")
    stack.flask("migrate", "up")
    stack.flask("database-role")
    with MongoClient[dict[str, Any]](owner) as client:
        client.clinic.command("createUser", "application", pwd="of-the-tests", roles=[roles.NAME])


CASES: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "gunicorn on a standalone mongod": (WEB, {"MONGODB_URI": "standalone"}, REMEDY),
    "a worker on a standalone mongod": (WORKER, {"MONGODB_URI": "standalone"}, REMEDY),
    "beat on a standalone mongod": (BEAT, {"MONGODB_URI": "standalone"}, REMEDY),
    "a worker on an uninitiated set": (WORKER, {"MONGODB_URI": "uninitiated"}, "run rs.initiate()"),
    "beat with a wrong password": (
        BEAT,
        {"MONGODB_URI": "stranger"},
        "correct the user or the password of MONGODB_URI",
    ),
    "a command on a standalone mongod": (("flask", "audit"), {"MONGODB_URI": "standalone"}, REMEDY),
    "migrations on a standalone mongod": (("flask", "migrate", "up"), {"MONGODB_URI": "standalone"}, REMEDY),
    "the name of another set": (
        ("flask", "audit"),
        {"MONGODB_URI": "named"},
        "see MONGODB_URI (No replica set members available",
    ),
    "an uninitiated set": (WEB, {"MONGODB_URI": "uninitiated"}, "is not initiated, see MONGODB_URI: run rs.initiate()"),
    "an uninitiated set that is discovered": (
        ("flask", "migrate", "up"),
        {"MONGODB_URI": "discovered"},
        "is not initiated, see MONGODB_URI: run rs.initiate()",
    ),
    "no mongod": (("flask", "audit"), {"MONGODB_URI": "nowhere"}, "MongoDB can't be reached; see MONGODB_URI (127.0.0"),
    "a wrong password": (
        ("flask", "audit"),
        {"MONGODB_URI": "stranger"},
        "MongoDB refuses: AuthenticationFailed; correct the user or the password of MONGODB_URI",
    ),
    "a dump as the application": (
        ("flask", "backup", "dump", "{folder}/dump"),
        {"MONGODB_URI": "application"},
        "MongoDB refuses: Unauthorized; run commands as an owner of the database, and web, worker and beat as a user",
    ),
    "migrations as the application": (
        ("flask", "migrate", "up"),
        {"MONGODB_URI": "application"},
        "MongoDB refuses: Unauthorized; run commands as an owner of the database, and web, worker and beat as a user",
    ),
    "a dump into a missing folder": (
        ("flask", "backup", "dump", "{folder}/missing/dump"),
        {},
        "missing/dump can't be written (No such file or directory): name another file",
    ),
    "a dump onto a folder": (("flask", "backup", "dump", "{folder}"), {}, "can't be written (Is a directory): name"),
    "files without a folder": (
        ("flask", "uploads", "init"),
        {"UPLOADS_DIR": "/proc/uploads"},
        "The file storage can't be used: correct the rights of UPLOADS_DIR, or S3_BUCKET (ENOENT)",
    ),
    "jobs without a broker": (
        ("flask", "jobs", "retry", "--all"),
        {"REDIS_URL": "redis://127.0.0.1:1/0"},
        "Redis can't be reached; see REDIS_URL (Error 111 connecting to 127.0.0.1:1. Connection refused)",
    ),
    "a worker with bad settings": (WORKER, {"PORT": "x"}, "  PORT: Not a valid integer."),
    "beat with bad settings": (BEAT, {"EMAIL_FROM": "Arthomed, Pune <a@b>"}, "  EMAIL_FROM: Must be an address"),
    "celery inspect with bad settings": (("celery", "-A", "workers.app", "report"), {"PORT": "x"}, "  PORT: Not a"),
}


@pytest.fixture(scope="module")
def ended(
    mongo: Mongo, valkey: Valkey, servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """All processes, started at once, when they have ended."""
    folder = tmp_path_factory.mktemp("refused")
    stack = Stack(folder, mongodb_uri=mongo.uri("arthomed_refused"), redis_url=valkey.url)
    stack.flask("migrate", "up")
    with MongoClient[dict[str, Any]](stack.env["MONGODB_URI"]) as client:
        client.get_default_database().failed_jobs.insert_one(
            {"_id": "a", "job": Job.SWEEP_SCANS.value, "requestId": None, "ids": [], "error": "KeyError", "attempts": 1}
            | dict.fromkeys(TIMES, datetime.now(UTC))
        )
    started = {}
    for name, (command, env, _) in CASES.items():
        uri = env.get("MONGODB_URI", "")
        settings = {**stack.env, **env, **({"MONGODB_URI": servers[uri]} if uri else {})}
        words = [word.format(folder=folder) for word in command]
        log = folder / f"{name.replace(' ', '-')}.log"
        started[name] = Process(name, [BIN / words[0], *words[1:]], log, env=settings)
    deadline = time.monotonic() + SECONDS
    while any(process.exit_code is None for process in started.values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    yield started
    stop_all(list(started.values()), within=10)


@pytest.mark.parametrize("case", CASES)
def test_the_last_line_names_cause_and_remedy(ended: dict[str, Process], case: str) -> None:
    output = ended[case].log.read_text()

    assert ended[case].exit_code == 1, output
    assert CASES[case][2] in output.splitlines()[-1]
    assert "Traceback" not in output
    assert len(output.splitlines()) <= 2


@pytest.fixture(scope="module")
def web(mongo: Mongo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Production without SMTP, DLT id and Redis."""
    folder = tmp_path_factory.mktemp("poor")
    env = {name: value for name, value in PRODUCTION.items() if name != "DLT_ENTITY_ID"}
    stack = Stack(folder, mongodb_uri=mongo.uri("arthomed_refused"), redis_url="redis://127.0.0.1:1/0")
    stack.flask("migrate", "up")
    stack.env = {**env, **stack.env, "APP_ENV": "production", "HOST": "127.0.0.1", "WEB_CONCURRENCY": "1"}
    stack.env |= {"MONGODB_URI": mongo.uri("arthomed_refused"), "REDIS_URL": "redis://127.0.0.1:1/0"}
    stack.start_web()
    stack.wait_until_live()
    yield stack
    stack.stop()


class TestWarnings:
    """Settings that are missing from production, and an unreachable Redis, are logged at startup."""

    def test_it_is_logged_at_the_start(self, web: Stack) -> None:
        assert web.web
        log = web.web.log.read_text()

        assert log.count("SMTP_URL is not set: no e-mail is sent") == 1
        assert log.count("DLT_ENTITY_ID is not set: carriers in India may not deliver SMS") == 1
        assert log.count("Redis can't be reached; see REDIS_URL (Error 111") == 1

    def test_readiness_lists_it(self, web: Stack) -> None:
        answer = httpx.get(f"{web.url}/health/ready", timeout=10)

        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["warnings"] == [
            "SMTP_URL is not set: no e-mail is sent",
            "DLT_ENTITY_ID is not set: carriers in India may not deliver SMS",
        ]


@pytest.mark.parametrize("command", [WORKER, BEAT], ids=["worker", "beat"])
def test_worker_and_beat_without_redis_wait_and_name_the_setting(
    mongo: Mongo, tmp_path: Path, command: tuple[str, ...]
) -> None:
    stack = Stack(tmp_path, mongodb_uri=mongo.uri("arthomed_waiting"), redis_url="redis://127.0.0.1:1/0")
    process = stack.start("waiting", BIN / command[0], *command[1:])
    try:
        wait_for(lambda: "REDIS_URL" in process.log.read_text(), what="the name of the setting")
        assert process.exit_code is None
        assert "Traceback" not in process.log.read_text()
    finally:
        stack.stop()
