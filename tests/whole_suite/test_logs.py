"""No line that any process of the suite logged holds a name, a number, an address, a code or a token.

`make test` names the folder of the logs in SUITE_LOGS and runs this last.
"""

import json
import re
from pathlib import Path

import pytest

from tests.whole_suite import gathering
from tests.whole_suite.leaks import is_telling, leaks

ENOUGH_LINES = {"pytest": 2000, "-web-": 500, "-worker-": 50, "-beat-": 5}
ENOUGH_PEOPLE = 500
SHOWN = 20


@pytest.fixture(scope="module")
def logs() -> Path:
    found = gathering.folder()
    if found is None:
        pytest.skip("SUITE_LOGS names no folder: `make test` gathers the logs of the whole suite")
    return found


@pytest.fixture(scope="module")
def people(logs: Path) -> set[str]:
    return {person for file in logs.glob("people-*.json") for person in json.loads(file.read_text())}


def lines_of(logs: Path, name: str = "") -> list[str]:
    files = sorted(file for file in logs.glob("*.log") if name in file.name)
    return [line for file in files for line in file.read_text(errors="replace").splitlines()]


@pytest.mark.parametrize("name", ENOUGH_LINES)
def test_each_kind_of_process_was_heard(logs: Path, name: str) -> None:
    assert len(lines_of(logs, name)) >= ENOUGH_LINES[name]


@pytest.mark.parametrize("event", ["request", "signed_in", "appointment_booked", "sms_caught", "message_sent"])
def test_what_the_application_tells_was_heard(logs: Path, event: str) -> None:
    assert re.search(rf"\] {event} ", "\n".join(lines_of(logs)))


def test_enough_people_are_looked_for(people: set[str]) -> None:
    assert sum(map(is_telling, people)) >= ENOUGH_PEOPLE


def test_no_line_holds_what_it_must_not(logs: Path, people: set[str]) -> None:
    found = [str(leak) for leak in leaks(lines_of(logs), people)]
    assert not found, "\n".join([f"{len(found)} leaks", *found[:SHOWN]])
