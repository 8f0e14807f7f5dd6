"""Start, refused start and graceful stop of the web process."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from dev.processes import Process
from tests.faults.clinic import Clinic
from tests.faults.conftest import System
from tests.stack import Stack, wait_for
from tests.unit.config.environment import PRODUCTION

SERVERS = ("MONGODB_URI", "REDIS_URL")
SETTINGS = {name: value for name, value in PRODUCTION.items() if name not in SERVERS} | {"HOST": "127.0.0.1"}


@pytest.fixture
def migrated(system: System, tmp_path: Path) -> Iterator[Stack]:
    """A stack over the migrated database of `system`; no process runs yet."""
    stack = Stack(tmp_path, mongodb_uri=system.stack.env["MONGODB_URI"], redis_url=system.valkey.url)
    yield stack
    stack.stop()


def wait_for_exit(process: Process | None) -> Process:
    assert process is not None
    wait_for(lambda: process.exit_code is not None, what=f"the end of {process.name}")
    return process


REFUSALS = {
    "missing indexes": ({}, "The database lacks slots.slot_once, "),
    "no database": ({"MONGODB_URI": "mongodb://127.0.0.1:1/clinic"}, "MongoDB can't be reached; see MONGODB_URI"),
    "no access": ({"MONGODB_URI": "mongodb://nobody:secret@{mongo}/clinic"}, "MongoDB refuses: AuthenticationFailed; "),
    "bad setting": ({"PORT": "99999"}, "  PORT: Must be greater than or equal to 1 and less than or equal to 65535."),
}


@pytest.fixture(scope="module")
def refused(_system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Process]:
    """Web processes that must refuse to start; they start in parallel."""
    started = {}
    for reason, (env, _) in REFUSALS.items():
        settings = {name: value.format(mongo=f"127.0.0.1:{_system.mongo.port}") for name, value in env.items()}
        folder = tmp_path_factory.mktemp("refused")
        unmigrated = _system.mongo.uri("arthomed_bare")
        stack = Stack(folder, mongodb_uri=unmigrated, redis_url=_system.valkey.url, env=settings)
        stack.start_web()
        started[reason] = stack.web
    return {reason: wait_for_exit(process) for reason, process in started.items()}


@pytest.mark.parametrize("reason", REFUSALS)
def test_refused_start_logs_its_reason_in_one_line(refused: dict[str, Process], reason: str) -> None:
    output = refused[reason].log.read_text()

    assert refused[reason].exit_code == 1
    assert len([line for line in output.splitlines() if line.startswith(REFUSALS[reason][1])]) == 1
    assert "Traceback" not in output


@pytest.mark.long
def test_in_flight_request_is_answered_before_the_server_stops(migrated: Stack) -> None:
    migrated.start_web()
    migrated.wait_until_live()
    assert migrated.web
    log = migrated.web.log

    with Clinic(migrated) as clinic, ThreadPoolExecutor(1) as pool:
        patient, doctor = clinic.patients(1)[0], clinic.doctor(slots=1)
        with clinic.conflicting_transaction(doctor):
            before = clinic.transactions_started()
            booking = pool.submit(clinic.book, patient, doctor)
            wait_for(lambda: clinic.transactions_started() > before, what="the booking's transaction")
            os.kill(migrated.web.pid, signal.SIGTERM)
            wait_for(lambda: "Handling signal: term" in log.read_text(), what="the signal's arrival")

        assert booking.result().status_code == 201
    assert wait_for_exit(migrated.web).exit_code == 0


@pytest.mark.long
def test_production_logs_json_and_serves_no_mailbox(migrated: Stack) -> None:
    migrated.env |= SETTINGS
    migrated.start_web()
    migrated.wait_until_live()

    assert httpx.get(f"{migrated.url}/dev/mailbox").status_code == 404
    assert httpx.get(f"{migrated.url}/dev/mailbox.json").status_code == 404
    assert httpx.get(f"{migrated.url}/health").json()["environment"] == "production"
    assert migrated.web
    assert {type(json.loads(line)) for line in migrated.web.log.read_text().splitlines()} == {dict}
