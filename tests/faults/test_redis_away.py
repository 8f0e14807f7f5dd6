"""What is to be told is told, whatever happens to Redis meanwhile."""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis

from dev.processes import Process
from tests.faults.away import HOW, away
from tests.faults.clinic import Clinic, outcomes
from tests.faults.conftest import FULL, Fragile, Tell
from tests.stack import wait_for

BOOKINGS = 200 if FULL else 24
CLIENTS = 8
AWAY_SECONDS = 60.0 if FULL else 3.0


@pytest.mark.long
@pytest.mark.parametrize("how", HOW)
def test_everybody_who_booked_while_redis_was_away_is_told_exactly_once(
    fragile: Fragile, clinic: Clinic, how: str, tell: Tell
) -> None:
    patients, doctor = clinic.patients(BOOKINGS), clinic.doctor(slots=20, capacity=BOOKINGS // 20 + 1)
    times, pause = clinic.times(doctor), threading.Event()

    def book(nth: int) -> httpx.Response:
        answer = clinic.book(patients[nth], doctor, times[nth % len(times)])
        pause.wait(AWAY_SECONDS * CLIENTS / BOOKINGS)
        return answer

    with away(fragile.valkey, how), ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(book, range(BOOKINGS)))
    back = time.monotonic()
    assert outcomes(answers) == {(201, "OK"): BOOKINGS}
    mobiles = {mobile_of(answer) for answer in answers}
    wait_for(lambda: fragile.sweep() and mobiles <= set(fragile.gateway.taken), seconds=90, what="the last SMS")
    told = time.monotonic() - back
    wait_for(fragile.is_idle, what="the end of all work")

    slowest = max(answer.elapsed.total_seconds() for answer in answers)
    tell(f"{BOOKINGS} booked, the slowest in {slowest:.1f} s; all told {told:.1f} s after its return")
    assert {mobile: times for mobile, times in Counter(fragile.gateway.taken).items() if times > 1} == {}


def test_beat_and_worker_go_on_when_redis_comes_back_empty(fragile: Fragile, clinic: Clinic) -> None:
    beat, worker = go_through_the_loss_of_redis(fragile, clinic, lambda: True)

    with Redis.from_url(fragile.valkey.url) as redis:
        wait_for(lambda: redis.exists("redbeat::lock", "redbeat::schedule") == 2, what="beat's new start")
    fragile.stack.wait_until_ready()
    assert (beat.exit_code, worker.exit_code) == (None, None)


@pytest.mark.slow
def test_what_was_booked_without_redis_is_told_when_it_is_back_even_empty(fragile: Fragile, clinic: Clinic) -> None:
    booked = []

    def while_it_is_away() -> bool:
        booked.append(mobile_of(clinic.book(clinic.patients(1)[0], clinic.doctor(slots=1))))
        return bool(
            wait_for(lambda: fragile.stack.beat and "beat_redis_unavailable" in fragile.stack.beat.log.read_text())
        )

    beat, worker = go_through_the_loss_of_redis(fragile, clinic, while_it_is_away)

    wait_for(lambda: booked[0] in fragile.gateway.taken, seconds=60, what="the SMS")
    assert (beat.exit_code, worker.exit_code) == (None, None)


def go_through_the_loss_of_redis(
    fragile: Fragile, clinic: Clinic, while_it_is_away: Callable[[], bool]
) -> tuple[Process, Process]:
    """Redis stops while an SMS is under way, and comes back without its data; gives beat and worker."""
    beat, worker = fragile.stack.beat, fragile.stack.worker
    assert beat
    assert worker
    fragile.gateway.seconds = 0.5
    under_way = mobile_of(clinic.book(clinic.patients(1)[0], clinic.doctor(slots=1)))
    wait_for(lambda: under_way in fragile.gateway.taken, what="an SMS under way")
    with away(fragile.valkey, "stopped"):
        assert while_it_is_away()
        shutil.rmtree(fragile.valkey.data_dir)
        fragile.valkey.data_dir.mkdir()
    return beat, worker


def mobile_of(booked: httpx.Response) -> str:
    return str(booked.json()["data"]["appointment"]["patient"]["mobileNumber"])
