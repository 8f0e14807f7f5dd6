"""Web processes are replaced while clients without retries send requests: each request must succeed."""

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

from tests.faults.clinic import Clinic, Person, booking_body
from tests.faults.conftest import FULL, ReportFigure, System
from tests.stack import BIN, Stack, asleep, children, wait_for

RELOADS = 20 if FULL else 3
PHONES = 24 if FULL else 9
PROCESSES = 2
PAUSE_SECONDS = 2.5  # longer than the 2 seconds after which an ending process closes idle connections
SUCCESS = {"200", "201"}
NEW_CONNECTIONS = {"Connection": "close"}
KINDS: list[tuple[dict[str, str], float]] = [({}, 0.0), (NEW_CONNECTIONS, 0.0), ({}, PAUSE_SECONDS)]
"""Headers and pause of a phone: one busy connection, a connection per request, one mostly idle connection."""


class Phones:
    """Clients that read their user and send the same booking again and again. `seen` counts their responses."""

    def __init__(self, clinic: Clinic) -> None:
        doctor = clinic.doctor(slots=PHONES)
        self._url = clinic.api.base_url
        self._owners = clinic.patients(PHONES)
        self._bodies = [booking_body(doctor, time) for time in clinic.times(doctor)]
        self._stop = threading.Event()
        self.seen: Counter[str] = Counter()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send requests until the block ends."""
        with ThreadPoolExecutor(PHONES) as pool:
            futures = [
                pool.submit(self._send, *one) for one in zip(self._owners, self._bodies, cycle(KINDS), strict=False)
            ]
            try:
                yield
            finally:
                self._stop.set()
        for future in futures:
            self.seen += future.result()

    def _send(self, owner: Person, body: dict[str, str], kind: tuple[dict[str, str], float]) -> Counter[str]:
        more_headers, pause = kind
        headers = {**owner.headers, **more_headers, "Idempotency-Key": f"reload-{owner.id}"}
        seen: Counter[str] = Counter()
        with httpx.Client(base_url=self._url, headers=headers, timeout=30) as phone:
            requests = (partial(phone.get, "/auth/me"), partial(phone.post, "/appointments/book", json=body))
            while not self._stop.wait(random.uniform(0, pause)):
                seen.update(outcome_of(request) for request in requests)
        return seen


def outcome_of(request: Callable[[], httpx.Response]) -> str:
    """The status of a success; the whole response or the network error otherwise."""
    try:
        response = request()
    except httpx.TransportError as error:
        return repr(error)
    if response.is_success:
        return str(response.status_code)
    return f"{response.status_code} {response.headers} {response.text}"


@pytest.mark.long
def test_a_reload_drops_no_request(system: System, clinic: Clinic, report_figure: ReportFigure) -> None:
    master, phones = system.stack.web, Phones(clinic)
    assert master
    with phones.sending():
        for _ in range(RELOADS):
            old = set(children(master.pid))
            os.kill(master.pid, signal.SIGHUP)
            wait_for(lambda old=old: old.isdisjoint(children(master.pid)), seconds=40, what="a reload")  # type: ignore[misc]

    report_figure(f"{RELOADS} reloads, {phones.seen.total()} requests")
    assert set(phones.seen) == SUCCESS


@pytest.mark.long
def test_taking_over_the_socket_for_a_new_version_drops_no_request(system: System, clinic: Clinic) -> None:
    old, phones = system.stack.web, Phones(clinic)
    assert old
    try:
        with phones.sending():
            os.kill(old.pid, signal.SIGUSR2)
            new = wait_for(lambda: master_among(children(old.pid)), what="the next master with its processes")
            os.kill(old.pid, signal.SIGTERM)
            old.wait()
            assert len(children(new)) == PROCESSES
    finally:
        old.stop(within=10)
        system.stack.start_web()
    assert set(phones.seen) == SUCCESS


def master_among(processes: list[int]) -> int | None:
    """Find the process that has children."""
    return next((one for one in processes if children(one)), None)


@pytest.fixture
def short_lived(system: System, tmp_path: Path) -> Iterator[Stack]:
    """A web server whose processes end after 60 to 90 requests."""
    stack = Stack(tmp_path, mongodb_uri=system.stack.env["MONGODB_URI"], redis_url=system.valkey.url)
    limits = ["--max-requests", "60", "--max-requests-jitter", "30"]
    stack.web = stack.start("web", BIN / "gunicorn", "-c", "gunicorn.conf.py", *limits, "wsgi:app")
    stack.wait_until_live()
    yield stack
    stack.stop()


@pytest.mark.long
def test_processes_that_end_after_max_requests_drop_no_request(short_lived: Stack) -> None:
    assert short_lived.web
    log = short_lived.web.log
    with Clinic(short_lived) as clinic, (phones := Phones(clinic)).sending():
        wait_for(lambda: log.read_text().count("Booting worker") > 2 * PROCESSES, seconds=60, what="the fifth process")

    assert set(phones.seen) == SUCCESS


def test_shutdown_serves_connections_that_no_process_has_accepted_yet(short_lived: Stack) -> None:
    master = short_lived.web
    assert master
    with ExitStack() as connections:
        with ExitStack() as sleeping:
            for process in children(master.pid):
                sleeping.enter_context(asleep(process))
            sent = [connections.enter_context(closing(send_request(short_lived, "/health"))) for _ in range(8)]
            os.kill(master.pid, signal.SIGTERM)
            wait_for(lambda: "Handling signal: term" in master.log.read_text(), what="the signal's arrival")

        assert {one.getresponse().status for one in sent} == {200}


def send_request(stack: Stack, path: str) -> HTTPConnection:
    """Send a request, and leave its response unread."""
    connection = HTTPConnection("127.0.0.1", stack.port, timeout=10)
    connection.request("GET", path)
    return connection


TOO_LONG: dict[str, tuple[str, dict[str, str], int]] = {
    "address": ("/" + "a" * 9000, {}, 414),
    "header": ("/", {"X-Long": "a" * 9000}, 431),
    "headers": ("/", {f"X-{nth}": "a" for nth in range(100)}, 431),
}


@pytest.mark.parametrize("part", TOO_LONG)
def test_request_with_an_oversized_head_is_refused(system: System, part: str) -> None:
    path, headers, status = TOO_LONG[part]

    assert httpx.get(f"{system.stack.url}{path}", headers=headers).status_code == status
