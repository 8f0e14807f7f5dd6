"""The wall clock of web, worker and beat steps forward and back while they run (libfaketime, of Debian's package)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clinic import BOOKS_IN_ORDER, Clinic
from tests.faults.conftest import Fragile, Tell
from tests.stack import Stack, wait_for

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
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
    told = []
    with Clinic(jumping) as clinic:
        doctor = clinic.doctor(slots=len(JUMPS), capacity=1)
        times = clinic.times(doctor)
        patients = clinic.patients(2 * len(JUMPS))
        for nth, offset in enumerate(JUMPS):
            jumping.jump(offset)
            first, second = (clinic.book(who, doctor, times[nth]) for who in patients[2 * nth : 2 * nth + 2])
            assert (first.status_code, second.status_code) == (201, 400)
            mobile = first.json()["data"]["appointment"]["patient"]["mobileNumber"]
            wait_for(lambda number=mobile: number in fragile.gateway.taken, seconds=30, what="the SMS")  # type: ignore[misc]
            told.append(mobile)
        sweeps = number_of_sweeps(jumping)
        wait_for(lambda: number_of_sweeps(jumping) > sweeps, seconds=60, what="a sweep")
        assert clinic.audit() == BOOKS_IN_ORDER

    assert sorted(fragile.gateway.taken) == sorted(told)
    tell(f"{len(JUMPS)} jumps, {len(told)} told once each")


def number_of_sweeps(stack: Stack) -> int:
    assert stack.beat
    return len(re.findall(r"sweep_messages", stack.beat.log.read_text()))
