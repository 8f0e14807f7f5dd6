"""Two hosts behind nginx, each with web processes and a worker: one dies, and both are replaced in turn."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest
from bson import ObjectId

from arthomed.core.permissions import Role
from tests.deploy.nginx import in_front_of, needs_nginx
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, Person, code_of
from tests.faults.conftest import FULL, Fragile
from tests.faults.gateway import Gateway
from tests.faults.test_reload import GOOD, Phones
from tests.stack import Stack, kill_group, wait_for

BOOKINGS = 600 if FULL else 120
TIMES = 20
SEATS = BOOKINGS // TIMES - 1  # at each time one fewer than who wants it
CLIENTS = 8
ANSWERED_SECONDS = 15
NO_SEAT = (400, "SLOT_UNAVAILABLE")
DONE_ALREADY = (400, "INVALID_STATUS_TRANSITION")  # the answer got lost, and it was asked for again
AWAY = (503, "SERVICE_UNAVAILABLE")
NO_LIMIT = {"rate=50r/s": "rate=10000r/s"}  # all of them come from one address here

pytestmark = needs_nginx


@dataclass(frozen=True)
class Hosts:
    one: Stack
    other: Stack
    clinic: Clinic
    gateway: Gateway


@pytest.fixture(scope="module")
def _hosts(_fragile: Fragile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    def host(gateway: Gateway, *parts: str) -> Stack:
        return Stack(
            tmp_path_factory.mktemp("host"),
            mongodb_uri=_fragile.mongo.uri("arthomed_hosts"),
            redis_url=_fragile.valkey.url.removesuffix("/0") + "/7",
            parts=parts,
            demo=False,
            env={"TRUSTED_PROXIES": "1", **gateway.settings},
        )

    with (
        Gateway() as gateway,
        host(gateway, "web", "worker") as one,
        host(gateway, "web", "worker", "beat") as other,
        in_front_of([one, other], tmp_path_factory.mktemp("nginx"), NO_LIMIT) as url,
        Clinic(one, url=url) as clinic,
    ):
        yield Hosts(one, other, clinic, gateway)


@pytest.fixture
def hosts(_hosts: Hosts) -> Hosts:
    """The same for all tests, and whole again at the start of each."""
    for part in ("web", "worker"):
        if getattr(_hosts.one, part).exit_code is not None:
            getattr(_hosts.one, f"start_{part}")()
    _hosts.one.wait_until_ready()
    return _hosts


@dataclass
class Desk:
    """A receptionist who confirms at once, and patients who ask for more seats than there are, until they know."""

    clinic: Clinic
    told: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doctor = self.clinic.doctor(slots=TIMES, capacity=SEATS)
        self._times = self.clinic.times(self.doctor)
        self._reception = self.clinic.person(Role.RECEPTIONIST)

    def serve(self, nth: int, patient: Person) -> ObjectId | None:
        """The visit that was acknowledged and confirmed, None when all seats were taken."""
        key = {"Idempotency-Key": f"hosts-{patient.id}"}
        booked = self._answer_to(partial(self.clinic.book, patient, self.doctor, self._times[nth % TIMES], **key))
        if booked.status_code != 201:
            return None
        visit = booked.json()["data"]["appointment"]["_id"]
        self._answer_to(partial(self.clinic.move, self._reception, visit, "confirmed"))
        return ObjectId(visit)

    def _answer_to(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        def answer() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                found = ask()
                self.told.append((found.status_code, code_of(found)))
                return None if self.told[-1] == AWAY else found
            return None

        return wait_for(answer, seconds=ANSWERED_SECONDS, what="an answer")


@pytest.mark.long
def test_a_host_that_dies_costs_nobody_a_booking_or_a_message(hosts: Hosts) -> None:
    desk, patients = Desk(hosts.clinic), hosts.clinic.patients(BOOKINGS)
    assert hosts.one.web
    assert hosts.one.worker
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(desk.serve, *one) for one in enumerate(patients)]
        wait_for(lambda: sum(one.done() for one in asked) > BOOKINGS // 4, seconds=60, what="a quarter of the bookings")
        kill_group(hosts.one.web)
        kill_group(hosts.one.worker)
        served = [visit for one in asked if (visit := one.result())]

    assert set(desk.told) <= {(201, "OK"), (200, "OK"), NO_SEAT, DONE_ALREADY, AWAY}
    assert len(served) == SEATS * TIMES
    assert sorted(served) == sorted(hosts.clinic.database.appointments.distinct("_id", {"doctor": desk.doctor}))
    assert hosts.clinic.audit() == BOOKS_IN_ORDER
    wait_for(lambda: confirmations_sent(hosts.clinic, served) == len(served), seconds=60, what="every confirmation")
    assert sent_to(hosts.clinic, patients) <= Counter(hosts.gateway.taken)


def confirmations_sent(clinic: Clinic, visits: list[ObjectId]) -> int:
    these = {"subject": {"$in": visits}, "kind": "appointment-confirmed", "channel": "sms", "state": "sent"}
    return clinic.database.notifications.count_documents(these)


def sent_to(clinic: Clinic, patients: list[Person]) -> Counter[str]:
    """How many SMS were sent to each number, as the outbox has it."""
    mobiles = {one["_id"]: one["mobileNumber"] for one in clinic.database.users.find({"role": "patient"})}
    sent = {"user": {"$in": [patient.id for patient in patients]}, "channel": "sms", "state": "sent"}
    return Counter(mobiles[one["user"]] for one in clinic.database.notifications.find(sent))


@pytest.mark.long
def test_hosts_that_are_replaced_in_turn_drop_no_request(hosts: Hosts) -> None:
    phones = Phones(hosts.clinic)
    with phones.asking():
        for host in (hosts.one, hosts.other):
            assert host.web
            host.web.stop(within=40)
            host.start_web()
            wait_for(partial(is_asked, host), seconds=40, what="requests from nginx again")

    assert set(phones.told) == GOOD


def is_asked(host: Stack) -> bool:
    return host.web is not None and "route=/api/auth/me" in host.web.log.read_text()
