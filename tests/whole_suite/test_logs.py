"""No log line of the whole suite holds a name, a mobile number, an address, a code or a token.

`make test` sets SUITE_LOGS, the folder of the logs, and runs these tests last.
"""

import json
import re
from pathlib import Path

import pytest

from tests.whole_suite import suite_logs
from tests.whole_suite.leaks import is_searchable, leaks

MIN_LINES = {"pytest": 2000, "-web-": 500, "-worker-": 50, "-beat-": 5}
MIN_PEOPLE = 500
SHOWN = 20


@pytest.fixture(scope="module")
def logs() -> Path:
    found = suite_logs.folder()
    if found is None:
        pytest.skip("SUITE_LOGS is not set: `make test` collects the logs of the whole suite")
    return found


@pytest.fixture(scope="module")
def people(logs: Path) -> set[str]:
    return {person for file in logs.glob("people-*.json") for person in json.loads(file.read_text())}


def lines_of(logs: Path, name: str = "") -> list[str]:
    files = sorted(file for file in logs.glob("*.log") if name in file.name)
    return [line for file in files for line in file.read_text(errors="replace").splitlines()]


@pytest.mark.parametrize("name", MIN_LINES)
def test_logs_of_each_kind_of_process_were_collected(logs: Path, name: str) -> None:
    assert len(lines_of(logs, name)) >= MIN_LINES[name]


@pytest.mark.parametrize("event", ["request", "signed_in", "appointment_booked", "sms_caught", "message_sent"])
def test_log_events_of_the_application_were_collected(logs: Path, event: str) -> None:
    assert re.search(rf"\] {event} ", "\n".join(lines_of(logs)))


def test_enough_people_are_searched_for(people: set[str]) -> None:
    assert sum(map(is_searchable, people)) >= MIN_PEOPLE


def test_no_log_line_holds_personal_data_or_secrets(logs: Path, people: set[str]) -> None:
    found = [str(leak) for leak in leaks(lines_of(logs), people)]
    assert not found, "\n".join([f"{len(found)} leaks", *found[:SHOWN]])
