"""Messages and jobs while Redis is unavailable, or restarts without its data."""

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
from tests.faults.clinic import Clinic, outcomes
from tests.faults.conftest import FULL, ReportFigure, System
from tests.faults.outage import OUTAGES, outage
from tests.stack import wait_for

BOOKINGS = 200 if FULL else 24
CLIENTS = 8
OUTAGE_SECONDS = 60.0 if FULL else 3.0


@pytest.mark.long
@pytest.mark.parametrize("kind", OUTAGES)
def test_each_booking_during_an_outage_of_redis_sends_exactly_one_message(
    system: System, clinic: Clinic, kind: str, report_figure: ReportFigure
) -> None:
    patients, doctor = clinic.patients(BOOKINGS), clinic.doctor(slots=20, capacity=BOOKINGS // 20 + 1)
    times, pause = clinic.times(doctor), threading.Event()

    def book(nth: int) -> httpx.Response:
        response = clinic.book(patients[nth], doctor, times[nth % len(times)])
        pause.wait(OUTAGE_SECONDS * CLIENTS / BOOKINGS)
        return response

    with outage(system.valkey, kind), ThreadPoolExecutor(CLIENTS) as pool:
        responses = list(pool.map(book, range(BOOKINGS)))
    restored_at = time.monotonic()
    assert outcomes(responses) == {(201, "OK"): BOOKINGS}
    mobiles = {mobile_of(response) for response in responses}
    wait_for(lambda: system.sweep_outbox() and mobiles <= set(system.twilio.accepted), seconds=90, what="the last SMS")
    delay = time.monotonic() - restored_at
    wait_for(system.is_idle, what="the end of all work")

    slowest = max(response.elapsed.total_seconds() for response in responses)
    report_figure(
        f"{BOOKINGS} booked, the slowest in {slowest:.1f} s; all messages sent {delay:.1f} s after the outage"
    )
    assert {mobile: times for mobile, times in Counter(system.twilio.accepted).items() if times > 1} == {}


def test_beat_and_worker_survive_a_restart_of_redis_without_data(system: System, clinic: Clinic) -> None:
    beat, worker = restart_redis_without_data(system, clinic, lambda: True)

    with Redis.from_url(system.valkey.url) as redis:
        wait_for(lambda: redis.exists("redbeat::lock", "redbeat::schedule") == 2, what="beat's schedule")
    system.stack.wait_until_ready()
    assert (beat.exit_code, worker.exit_code) == (None, None)


@pytest.mark.slow
def test_message_of_a_booking_during_an_outage_is_sent_though_redis_restarts_without_data(
    system: System, clinic: Clinic
) -> None:
    booked = []

    def book_during_outage() -> bool:
        booked.append(mobile_of(clinic.book(clinic.patients(1)[0], clinic.doctor(slots=1))))
        return bool(wait_for(lambda: system.stack.beat and "beat_without_redis" in system.stack.beat.log.read_text()))

    beat, worker = restart_redis_without_data(system, clinic, book_during_outage)

    wait_for(lambda: booked[0] in system.twilio.accepted, seconds=60, what="the SMS")
    assert (beat.exit_code, worker.exit_code) == (None, None)


def restart_redis_without_data(
    system: System, clinic: Clinic, during_outage: Callable[[], bool]
) -> tuple[Process, Process]:
    """Stop Redis while a worker sends an SMS, and start it without data; returns beat and worker."""
    beat, worker = system.stack.beat, system.stack.worker
    assert beat
    assert worker
    system.twilio.delay_seconds = 0.5
    mobile = mobile_of(clinic.book(clinic.patients(1)[0], clinic.doctor(slots=1)))
    wait_for(lambda: mobile in system.twilio.accepted, what="an SMS in flight")
    with outage(system.valkey, "stopped"):
        assert during_outage()
        shutil.rmtree(system.valkey.data_dir)
        system.valkey.data_dir.mkdir()
    return beat, worker


def mobile_of(booking: httpx.Response) -> str:
    return str(booking.json()["data"]["appointment"]["patient"]["mobileNumber"])
