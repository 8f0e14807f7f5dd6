"""Steps of the wall clock under running web, worker and beat processes."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import libfaketime
import pytest
from bson import ObjectId

from arthomed.core import clock
from tests.faults.clinic import AUDIT_PASSED, Clinic
from tests.faults.conftest import ReportFigure, System
from tests.stack import Stack, wait_for

LIBRARY = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"), None)
JUMPS = ["+25m", "-25m", "+0", "-20m", "+0"]  # shorter than the lifetime of a token, longer than leases and locks


class StackWithFakeClock(Stack):
    """All processes read the offset of their clock from one file."""

    def jump(self, offset: str) -> None:
        """Change the offset; each process sees it at its next reading of the clock."""
        replacement = Path(self.env["FAKETIME_TIMESTAMP_FILE"]).with_suffix(".new")
        replacement.write_text(f"{offset}\n")
        replacement.replace(self.env["FAKETIME_TIMESTAMP_FILE"])


@pytest.fixture
def jumping(system: System, tmp_path: Path) -> Iterator[StackWithFakeClock]:
    if LIBRARY is None:
        pytest.skip("libfaketime is not installed")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    env = {
        **system.twilio.settings,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    redis_url = system.valkey.url.removesuffix("/0") + "/6"
    with StackWithFakeClock(
        tmp_path, mongodb_uri=system.mongo.uri("arthomed_jumps"), redis_url=redis_url, env=env
    ) as stack:
        yield stack


@pytest.mark.slow
def test_clock_steps_lose_no_message_and_send_none_twice(
    system: System, jumping: StackWithFakeClock, report_figure: ReportFigure
) -> None:
    accepted, expected = system.twilio.accepted, list[str]()
    with Clinic(jumping) as clinic:
        doctor = clinic.doctor(slots=len(JUMPS), capacity=1)
        times, patients = clinic.times(doctor), clinic.patients(2 * len(JUMPS))
        for nth, offset in enumerate(JUMPS):
            jumping.jump(offset)
            first, second = (clinic.book(patient, doctor, times[nth]) for patient in patients[2 * nth : 2 * nth + 2])
            assert (first.status_code, second.status_code) == (201, 400)
            appointment = first.json()["data"]["appointment"]
            expected.append(appointment["patient"]["mobileNumber"])
            wait_for(partial(has_sent, accepted, expected), what="the SMS")
            make_overdue(clinic, appointment["_id"])
            expected.append(expected[-1])
            wait_for(partial(has_sent, accepted, expected), seconds=60, what="the outbox sweeper")
        assert clinic.audit() == AUDIT_PASSED

    report_figure(f"{len(JUMPS)} jumps; each SMS was sent once by its job and once by the outbox sweeper")


def has_sent(accepted: list[str], expected: list[str]) -> bool:
    """Whether Twilio has accepted SMS to these numbers and to no others."""
    assert set(accepted) <= set(expected)
    return sorted(accepted) == sorted(expected)


def make_overdue(clinic: Clinic, appointment_id: str) -> None:
    """Leave the SMS of an appointment as a worker that died long ago would."""
    waiting = {"state": "waiting", "dueAt": clock.now() - timedelta(hours=2)}
    sms = {"subject": ObjectId(appointment_id), "channel": "sms"}
    clinic.database.notifications.update_one(sms, {"$set": waiting, "$unset": {"receipt": ""}})
