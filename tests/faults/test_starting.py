"""How the web process starts, refuses to start, and ends."""

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
from tests.faults.conftest import Fragile
from tests.stack import Stack, wait_for

PRODUCTION = {
    "APP_ENV": "production",
    "HOST": "127.0.0.1",
    "DLT_ENTITY_ID": "1101000000000000001",
    "TWILIO_ACCOUNT_SID": "AC0",
    "TWILIO_AUTH_TOKEN": "a-token",
    "TWILIO_PHONE_NUMBER": "+15005550006",
    "JWT_SECRET": "QkQ0Zb2m1tWk7uYx9sVh3nLc5pRf8jDg",
    "JWT_REFRESH_SECRET": "Hn6vTz1cXq4sLw8yKb2mJf7dRg9pUe3a",
    "OTP_SECRET": "Wd5xPq8nBv3kTm6zYh1rGc9sLf4jUe7o",
}


@pytest.fixture
def migrated(fragile: Fragile, tmp_path: Path) -> Iterator[Stack]:
    """A stack of which nothing has started, over the database of the shared one."""
    stack = Stack(tmp_path, mongodb_uri=fragile.stack.env["MONGODB_URI"], redis_url=fragile.valkey.url)
    yield stack
    stack.stop()


def ended(process: Process | None) -> Process:
    assert process is not None
    wait_for(lambda: process.exit_code is not None, what=f"the end of {process.name}")
    return process


REFUSALS = {
    "no guards": ({}, "The database lacks slots.slot_once, "),
    "no database": ({"MONGODB_URI": "mongodb://127.0.0.1:1/clinic"}, "MongoDB can't be reached; see MONGODB_URI"),
    "no access": ({"MONGODB_URI": "mongodb://nobody:secret@{mongo}/clinic"}, "MongoDB refuses: AuthenticationFailed; "),
    "bad setting": ({"PORT": "99999"}, "  PORT: Must be greater than or equal to 1 and less than or equal to 65535."),
}


@pytest.fixture(scope="module")
def refused(_fragile: Fragile, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Process]:
    """Web processes that should not have started, started all at once."""
    started = {}
    for reason, (env, _) in REFUSALS.items():
        changed = {name: value.format(mongo=f"127.0.0.1:{_fragile.mongo.port}") for name, value in env.items()}
        folder = tmp_path_factory.mktemp("refused")
        bare = _fragile.mongo.uri("arthomed_bare")
        stack = Stack(folder, mongodb_uri=bare, redis_url=_fragile.valkey.url, env=changed)
        stack.start_web()
        started[reason] = stack.web
    return {reason: ended(process) for reason, process in started.items()}


@pytest.mark.parametrize("reason", REFUSALS)
def test_it_refuses_to_start_and_says_why_in_one_line(refused: dict[str, Process], reason: str) -> None:
    output = refused[reason].log.read_text()

    assert refused[reason].exit_code == 1
    assert len([line for line in output.splitlines() if line.startswith(REFUSALS[reason][1])]) == 1
    assert "Traceback" not in output


@pytest.mark.long
def test_a_request_under_way_is_answered_before_it_ends(migrated: Stack) -> None:
    migrated.start_web()
    migrated.wait_until_live()
    assert migrated.web
    log = migrated.web.log

    with Clinic(migrated) as clinic, ThreadPoolExecutor(1) as pool:
        patient, doctor = clinic.patients(1)[0], clinic.doctor(slots=1)
        with clinic.somebody_else_at(doctor):
            begun = clinic.transactions_begun()
            asked = pool.submit(clinic.book, patient, doctor)
            wait_for(lambda: clinic.transactions_begun() > begun, what="the booking's transaction")
            os.kill(migrated.web.pid, signal.SIGTERM)
            wait_for(lambda: "Handling signal: term" in log.read_text(), what="the signal's arrival")

        assert asked.result().status_code == 201
    assert ended(migrated.web).exit_code == 0


@pytest.mark.long
def test_production_speaks_json_and_has_no_mailbox(migrated: Stack) -> None:
    migrated.env |= PRODUCTION
    migrated.start_web()
    migrated.wait_until_live()

    assert httpx.get(f"{migrated.url}/dev/mailbox").status_code == 404
    assert httpx.get(f"{migrated.url}/dev/mailbox.json").status_code == 404
    assert httpx.get(f"{migrated.url}/health").json()["environment"] == "production"
    assert migrated.web
    assert {type(json.loads(line)) for line in migrated.web.log.read_text().splitlines()} == {dict}
