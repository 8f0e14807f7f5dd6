"""The wall clock of web, worker and beat steps forward and back while they run."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import libfaketime
import pytest
from bson import ObjectId

from arthomed.core import clock
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic
from tests.faults.conftest import Fragile, Tell
from tests.stack import Stack, wait_for

LIBRARY = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"), None)
JUMPS = ["+25m", "-25m", "+0", "-20m", "+0"]  # within the life of a token, and far beyond every lease and lock


class Jumping(Stack):
    """Each process reads the offset of its clock from one file again and again."""

    def jump(self, offset: str) -> None:
        """Seen by all at their next look at the clock."""
        new = Path(self.env["FAKETIME_TIMESTAMP_FILE"]).with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self.env["FAKETIME_TIMESTAMP_FILE"])


@pytest.fixture
def jumping(fragile: Fragile, tmp_path: Path) -> Iterator[Jumping]:
    if LIBRARY is None:
        pytest.skip("no clock can be faked here; install libfaketime")
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    env = {
        **fragile.gateway.settings,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    redis_url = fragile.valkey.url.removesuffix("/0") + "/6"
    with Jumping(
        tmp_path, mongodb_uri=fragile.mongo.uri("arthomed_jumps"), redis_url=redis_url, demo=False, env=env
    ) as stack:
        yield stack


@pytest.mark.slow
def test_a_clock_that_steps_to_and_fro_stops_nothing_and_doubles_nothing(
    fragile: Fragile, jumping: Jumping, tell: Tell
) -> None:
    taken, told = fragile.gateway.taken, list[str]()
    with Clinic(jumping) as clinic:
        doctor = clinic.doctor(slots=len(JUMPS), capacity=1)
        times, patients = clinic.times(doctor), clinic.patients(2 * len(JUMPS))
        for nth, offset in enumerate(JUMPS):
            jumping.jump(offset)
            first, second = (clinic.book(who, doctor, times[nth]) for who in patients[2 * nth : 2 * nth + 2])
            assert (first.status_code, second.status_code) == (201, 400)
            visit = first.json()["data"]["appointment"]
            told.append(visit["patient"]["mobileNumber"])
            wait_for(partial(is_told, taken, told), what="the SMS")
            leave_behind(clinic, visit["_id"])
            told.append(told[-1])
            wait_for(partial(is_told, taken, told), seconds=60, what="beat's sweep")
        assert clinic.audit() == BOOKS_IN_ORDER

    tell(f"{len(JUMPS)} jumps, each SMS once, and once more when it was left to beat")


def is_told(taken: list[str], told: list[str]) -> bool:
    """Whether the gateway took these and no others."""
    assert set(taken) <= set(told)
    return sorted(taken) == sorted(told)


def leave_behind(clinic: Clinic, visit: str) -> None:
    """As when a worker died with the SMS of a visit, long ago."""
    waiting = {"state": "waiting", "dueAt": clock.now() - timedelta(hours=2)}
    sms = {"subject": ObjectId(visit), "channel": "sms"}
    clinic.database.notifications.update_one(sms, {"$set": waiting, "$unset": {"receipt": ""}})
