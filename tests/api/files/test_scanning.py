"""Scanning uploads for malware before anyone may download them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from redis import Redis

from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.core import clock
from arthomed.files import file_store
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.files.service import purging, scanning
from arthomed.infra.clamav import ClamAV
from dev.clamd import Clamd
from dev.servers import free_port
from tests import factories
from tests.api.auth.sign_in import Now
from tests.api.files import file_requests
from tests.factories import SignedIn, error_of
from tests.infra.eicar import EICAR


@pytest.fixture
def scanner(empty_storage: None, clamd: Clamd) -> None:
    install_scanner(clamd.url)


@pytest.fixture
def unavailable_scanner(empty_storage: None) -> None:
    install_scanner(f"tcp://127.0.0.1:{free_port()}")


def install_scanner(url: str) -> None:
    """Scan with the clamd at this URL until `empty_storage` restores the file store."""
    file_store.use(replace(file_store.current(), scanner=ClamAV(url, seconds=5)))


def make_waiting_file(appointment: Appointment, person: SignedIn, content: bytes | None = None) -> File:
    name = factories.make_file(appointment, person.user, content=content, state=State.WAITING)
    file: File = File.objects.get(filename=name)
    return file


def queued_jobs() -> int:
    with Redis.from_url(settings().redis_url) as redis:
        length: int = redis.llen("files")
    return length


@pytest.mark.usefixtures("scanner")
def test_upload_can_be_downloaded_only_after_its_scan(
    client: FlaskClient, person: SignedIn, appointment: Appointment
) -> None:
    (uploaded,) = file_requests.upload_files(client, person, appointment.id)
    before_scan, queued = file_requests.fetch(client, person, uploaded["url"]), queued_jobs()
    scanning.scan(File.objects.get().id)

    assert (uploaded["status"], error_of(before_scan), queued) == ("waiting", (409, "FILE_NOT_READY"), 1)
    assert file_requests.fetch(client, person, uploaded["url"]).status_code == 200


@pytest.mark.usefixtures("scanner")
def test_infected_file_is_quarantined_and_cannot_be_downloaded(
    client: FlaskClient, person: SignedIn, appointment: Appointment
) -> None:
    file = make_waiting_file(appointment, person, EICAR)

    assert scanning.scan(file.id) is State.INFECTED
    assert error_of(file_requests.fetch(client, person, f"/api/files/{file.filename}")) == (404, "NOT_FOUND")
    quarantined = File.objects.get()
    assert (quarantined.key, quarantined.signature) == (f"quarantine/infected/{file.key}", "Eicar-Test.UNOFFICIAL")


@pytest.mark.usefixtures("scanner")
def test_purge_finishes_an_interrupted_quarantine(person: SignedIn, appointment: Appointment) -> None:
    file = make_waiting_file(appointment, person)
    File.set_scan_result(file.id, State.INFECTED, now=clock.now(), signature="Eicar-Test")
    purging.purge()

    assert File.objects.get().key == f"quarantine/infected/{file.key}"


@pytest.mark.usefixtures("unavailable_scanner")
def test_file_stays_waiting_while_the_scanner_is_unavailable(
    person: SignedIn, appointment: Appointment, now: Now
) -> None:
    file = make_waiting_file(appointment, person)
    verdict = scanning.scan(file.id)
    now.shift(timedelta(minutes=2))

    assert (verdict, scanning.sweep(), File.objects.get().state) == (None, 0, State.WAITING)


@pytest.mark.usefixtures("scanner")
def test_sweep_scans_files_that_have_waited_for_a_minute(person: SignedIn, appointment: Appointment, now: Now) -> None:
    for _ in range(5):
        make_waiting_file(appointment, person)
    too_early = scanning.sweep()
    now.shift(timedelta(minutes=2))

    assert (too_early, scanning.sweep(), scanning.sweep()) == (0, 5, 0)
    assert set(File.objects.scalar("state")) == {State.READY}


@pytest.mark.usefixtures("unavailable_scanner")
def test_sweep_stops_after_three_failures_and_starts_with_other_files_next_time(
    person: SignedIn, appointment: Appointment, now: Now
) -> None:
    for _ in range(6):
        make_waiting_file(appointment, person)
    now.shift(timedelta(minutes=2))
    before = clock.now()
    scanning.sweep()
    tried_first = File.objects(updated_at__gte=before).count()
    scanning.sweep()

    assert (tried_first, File.objects(updated_at__gte=before).count()) == (3, 6)


@pytest.mark.usefixtures("scanner")
def test_repeated_scan_and_scan_of_an_unknown_file_do_nothing(person: SignedIn, appointment: Appointment) -> None:
    file = make_waiting_file(appointment, person)

    verdicts = [scanning.scan(file.id), scanning.scan(file.id), scanning.scan(factories.UNKNOWN_ID)]
    assert verdicts == [State.READY, None, None]
