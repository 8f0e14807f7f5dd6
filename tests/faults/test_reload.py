"""The web processes are replaced while phones that repeat nothing ask: each of them gets its answer."""

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from tests.faults.clinic import Clinic, Person, wish
from tests.faults.conftest import FULL, Fragile, Tell
from tests.stack import BIN, Stack, asleep, children, wait_for

RELOADS = 20 if FULL else 3
PHONES = 24 if FULL else 9
PROCESSES = 2
PAUSE_SECONDS = 2.5  # a process that ends closes what is open, but idle, after 2
GOOD = {"200", "201"}
WITH_EACH_REQUEST = {"Connection": "close"}
KINDS: list[tuple[dict[str, str], float]] = [({}, 0.0), (WITH_EACH_REQUEST, 0.0), ({}, PAUSE_SECONDS)]
"""In a hurry over one connection, with a connection for each request, and at leisure over one."""


class Phones:
    """They read, and repeat a booking of theirs."""

    def __init__(self, clinic: Clinic) -> None:
        doctor = clinic.doctor(slots=PHONES)
        self._url = clinic.api.base_url
        self._owners = clinic.patients(PHONES)
        self._wishes = [wish(doctor, time) for time in clinic.times(doctor)]
        self._over = threading.Event()
        self.told: Counter[str] = Counter()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """They ask meanwhile; how often they were told what is known afterwards."""
        with ThreadPoolExecutor(PHONES) as pool:
            asked = [
                pool.submit(self._ask, *one) for one in zip(self._owners, self._wishes, cycle(KINDS), strict=False)
            ]
            try:
                yield
            finally:
                self._over.set()
        for one in asked:
            self.told += one.result()

    def _ask(self, owner: Person, body: dict[str, str], kind: tuple[dict[str, str], float]) -> Counter[str]:
        headers, pause = kind
        signed = {**owner.headers, **headers, "Idempotency-Key": f"reload-{owner.id}"}
        told: Counter[str] = Counter()
        with httpx.Client(base_url=self._url, headers=signed, timeout=30) as phone:
            asking = (partial(phone.get, "/auth/me"), partial(phone.post, "/appointments/book", json=body))
            while not self._over.wait(random.uniform(0, pause)):
                told.update(answer_to(ask) for ask in asking)
        return told


def answer_to(ask: Callable[[], httpx.Response]) -> str:
    """The status, with all of the answer unless it is good, or how the connection broke."""
    try:
        told = ask()
    except httpx.TransportError as error:
        return repr(error)
    return str(told.status_code) if told.is_success else f"{told.status_code} {told.headers} {told.text}"


def test_a_reload_drops_no_request(fragile: Fragile, clinic: Clinic, tell: Tell) -> None:
    master, phones = fragile.stack.web, Phones(clinic)
    assert master
    with phones.asking():
        for _ in range(RELOADS):
            old = set(children(master.pid))
            os.kill(master.pid, signal.SIGHUP)
            wait_for(lambda old=old: old.isdisjoint(children(master.pid)), seconds=40, what="a reload")  # type: ignore[misc]

    tell(f"{RELOADS} reloads, {phones.told.total()} requests")
    assert set(phones.told) == GOOD


@pytest.mark.long
def test_a_new_version_takes_the_port_over_without_dropping_a_request(fragile: Fragile, clinic: Clinic) -> None:
    old, phones = fragile.stack.web, Phones(clinic)
    assert old
    try:
        with phones.asking():
            os.kill(old.pid, signal.SIGUSR2)
            new = wait_for(lambda: master_among(children(old.pid)), what="the next master with its processes")
            os.kill(old.pid, signal.SIGTERM)
            old.wait()
            assert len(children(new)) == PROCESSES
    finally:
        old.stop(within=10)
        fragile.stack.start_web()
    assert set(phones.told) == GOOD


def master_among(processes: list[int]) -> int | None:
    """The one that has processes of its own."""
    return next((one for one in processes if children(one)), None)


@pytest.fixture
def short_lived(fragile: Fragile, tmp_path: Path) -> Iterator[Stack]:
    """Web processes of their own, each of which ends after less than a hundred requests."""
    stack = Stack(tmp_path, mongodb_uri=fragile.stack.env["MONGODB_URI"], redis_url=fragile.valkey.url)
    share = ["--max-requests", "60", "--max-requests-jitter", "30"]
    stack.web = stack.start("web", BIN / "gunicorn", "-c", "gunicorn.conf.py", *share, "wsgi:app")
    stack.wait_until_live()
    yield stack
    stack.stop()


@pytest.mark.long
def test_processes_that_have_served_their_share_drop_no_request(short_lived: Stack) -> None:
    assert short_lived.web
    log = short_lived.web.log
    with Clinic(short_lived) as clinic, (phones := Phones(clinic)).asking():
        wait_for(lambda: log.read_text().count("Booting worker") > 2 * PROCESSES, seconds=60, what="the fifth process")

    assert set(phones.told) == GOOD


def test_a_connection_that_no_process_has_taken_yet_is_served_before_all_end(short_lived: Stack) -> None:
    master = short_lived.web
    assert master
    with ExitStack() as opened:
        with ExitStack() as sleeping:
            for process in children(master.pid):
                sleeping.enter_context(asleep(process))
            waiting = [opened.enter_context(closing(asked(short_lived, "/health"))) for _ in range(8)]
            os.kill(master.pid, signal.SIGTERM)
            wait_for(lambda: "Handling signal: term" in master.log.read_text(), what="the signal's arrival")

        assert {one.getresponse().status for one in waiting} == {200}


def asked(stack: Stack, path: str) -> HTTPConnection:
    """A connection with a request that nobody has read."""
    connection = HTTPConnection("127.0.0.1", stack.port, timeout=10)
    connection.request("GET", path)
    return connection


TOO_LONG: dict[str, tuple[str, dict[str, str], int]] = {
    "address": ("/" + "a" * 9000, {}, 414),
    "header": ("/", {"X-Long": "a" * 9000}, 431),
    "headers": ("/", {f"X-{nth}": "a" for nth in range(100)}, 431),
}


@pytest.mark.parametrize("what", TOO_LONG)
def test_what_is_longer_than_requests_are_is_refused(fragile: Fragile, what: str) -> None:
    path, headers, status = TOO_LONG[what]

    assert httpx.get(f"{fragile.stack.url}{path}", headers=headers).status_code == status
