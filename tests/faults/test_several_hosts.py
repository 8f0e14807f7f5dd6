"""Two hosts behind nginx, each with web processes and a worker: one is killed, or both are replaced in turn."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from bson import ObjectId

from tests.deploy.nginx import in_front_of, needs_nginx
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person
from tests.faults.conftest import System
from tests.faults.desk import OUTCOMES, SEATS, TIMES, Desk
from tests.faults.fake_twilio import FakeTwilio
from tests.faults.test_reload import SUCCESS, Phones
from tests.stack import Stack, kill_group, wait_for

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
            env={"TRUSTED_PROXIES": "1", **twilio.settings},
        )

    with (
        FakeTwilio().running() as twilio,
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


@pytest.mark.long
def test_death_of_a_host_loses_no_booking_and_no_message(hosts: Hosts) -> None:
    desk = Desk(hosts.clinic)
    assert hosts.one.web
    assert hosts.one.worker
    with desk.serving() as served:
        kill_group(hosts.one.web)
        kill_group(hosts.one.worker)

    assert {one.outcome for one in desk.answers} <= OUTCOMES
    assert len(served) == SEATS * TIMES
    assert sorted(served) == desk.stored()
    assert hosts.clinic.audit() == AUDIT_PASSED
    wait_for(lambda: confirmations_sent(hosts.clinic, served) == len(served), seconds=60, what="every confirmation")
    assert sent_to(hosts.clinic, desk.patients) <= Counter(hosts.twilio.accepted)


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
