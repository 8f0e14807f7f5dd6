"""Two hosts behind nginx, each with web processes and a worker: one is killed, or both are replaced in turn."""

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
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, error_code
from tests.faults.conftest import FULL, System
from tests.faults.fake_twilio import FakeTwilio
from tests.faults.test_reload import SUCCESS, Phones
from tests.stack import Stack, kill_group, wait_for

BOOKINGS = 600 if FULL else 120
TIMES = 20
SEATS = BOOKINGS // TIMES - 1  # at each time one fewer than patients
CLIENTS = 8
RETRY_SECONDS = 15
NO_SEAT = (400, "SLOT_UNAVAILABLE")
ALREADY_CONFIRMED = (400, "INVALID_STATUS_TRANSITION")  # the response to an earlier try was lost
UNAVAILABLE = (503, "SERVICE_UNAVAILABLE")
NO_LIMIT = {"rate=50r/s": "rate=10000r/s"}  # all requests of the test come from one address

pytestmark = needs_nginx


@dataclass(frozen=True)
class Hosts:
    one: Stack
    other: Stack
    clinic: Clinic
    twilio: FakeTwilio


@pytest.fixture(scope="module")
def _hosts(_system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    def host(twilio: FakeTwilio, *parts: str) -> Stack:
        return Stack(
            tmp_path_factory.mktemp("host"),
            mongodb_uri=_system.mongo.uri("arthomed_hosts"),
            redis_url=_system.valkey.url.removesuffix("/0") + "/7",
            parts=parts,
            demo=False,
            env={"TRUSTED_PROXIES": "1", **twilio.settings},
        )

    with (
        FakeTwilio() as twilio,
        host(twilio, "web", "worker") as one,
        host(twilio, "web", "worker", "beat") as other,
        in_front_of([one, other], tmp_path_factory.mktemp("nginx"), NO_LIMIT) as url,
        Clinic(one, url=url) as clinic,
    ):
        yield Hosts(one, other, clinic, twilio)


@pytest.fixture
def hosts(_hosts: Hosts) -> Hosts:
    """The hosts of the module, with all processes running."""
    for part in ("web", "worker"):
        if getattr(_hosts.one, part).exit_code is not None:
            getattr(_hosts.one, f"start_{part}")()
    _hosts.one.wait_until_ready()
    return _hosts


@dataclass
class Desk:
    """Patients, more than seats, who repeat a booking until it is final, and a receptionist who confirms it.

    `seen` holds the outcomes of all requests.
    """

    clinic: Clinic
    seen: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doctor = self.clinic.doctor(slots=TIMES, capacity=SEATS)
        self._times = self.clinic.times(self.doctor)
        self._receptionist = self.clinic.person(Role.RECEPTIONIST)

    def serve(self, nth: int, patient: Person) -> ObjectId | None:
        """Book and confirm an appointment; None when all seats are taken."""
        key = {"Idempotency-Key": f"hosts-{patient.id}"}
        booked = self._send(partial(self.clinic.book, patient, self.doctor, self._times[nth % TIMES], **key))
        if booked.status_code != 201:
            return None
        appointment_id = booked.json()["data"]["appointment"]["_id"]
        self._send(partial(self.clinic.change_status, self._receptionist, appointment_id, "confirmed"))
        return ObjectId(appointment_id)

    def _send(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        """Send a request again until a server responds, and not with a 503."""

        def try_once() -> httpx.Response | None:
            with suppress(httpx.TransportError):
                response = request()
                self.seen.append((response.status_code, error_code(response)))
                return None if self.seen[-1] == UNAVAILABLE else response
            return None

        return wait_for(try_once, seconds=RETRY_SECONDS, what="a response")


@pytest.mark.long
def test_death_of_a_host_loses_no_booking_and_no_message(hosts: Hosts) -> None:
    desk, patients = Desk(hosts.clinic), hosts.clinic.patients(BOOKINGS)
    assert hosts.one.web
    assert hosts.one.worker
    with ThreadPoolExecutor(CLIENTS) as pool:
        futures, quarter = [pool.submit(desk.serve, *one) for one in enumerate(patients)], BOOKINGS // 4
        wait_for(lambda: sum(one.done() for one in futures) > quarter, seconds=60, what="a quarter of the bookings")
        kill_group(hosts.one.web)
        kill_group(hosts.one.worker)
        served = [appointment for one in futures if (appointment := one.result())]

    assert set(desk.seen) <= {(201, "OK"), (200, "OK"), NO_SEAT, ALREADY_CONFIRMED, UNAVAILABLE}
    assert len(served) == SEATS * TIMES
    assert sorted(served) == sorted(hosts.clinic.database.appointments.distinct("_id", {"doctor": desk.doctor}))
    assert hosts.clinic.audit() == AUDIT_PASSED
    wait_for(lambda: confirmations_sent(hosts.clinic, served) == len(served), seconds=60, what="every confirmation")
    assert sent_to(hosts.clinic, patients) <= Counter(hosts.twilio.accepted)


def confirmations_sent(clinic: Clinic, appointments: list[ObjectId]) -> int:
    these = {"subject": {"$in": appointments}, "kind": "appointment-confirmed", "channel": "sms", "state": "sent"}
    return clinic.database.notifications.count_documents(these)


def sent_to(clinic: Clinic, patients: list[Person]) -> Counter[str]:
    """Count the SMS to each number that the outbox marks as sent."""
    mobiles = {one["_id"]: one["mobileNumber"] for one in clinic.database.users.find({"role": "patient"})}
    sent = {"user": {"$in": [patient.id for patient in patients]}, "channel": "sms", "state": "sent"}
    return Counter(mobiles[one["user"]] for one in clinic.database.notifications.find(sent))


@pytest.mark.long
def test_replacing_hosts_in_turn_drops_no_request(hosts: Hosts) -> None:
    phones = Phones(hosts.clinic)
    with phones.sending():
        for host in (hosts.one, hosts.other):
            assert host.web
            host.web.stop(within=40)
            host.start_web()
            wait_for(partial(has_requests, host), seconds=40, what="requests from nginx again")

    assert set(phones.seen) == SUCCESS


def has_requests(host: Stack) -> bool:
    return host.web is not None and "route=/api/auth/me" in host.web.log.read_text()
