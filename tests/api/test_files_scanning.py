"""Nobody reads what the scanner has not seen, and away means not ready."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from redis import Redis

from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.core import clock
from arthomed.files import records
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.files.service import purging, scanning
from arthomed.infra.clamav import ClamAV
from dev.servers import free_port
from tests import factories
from tests.api import files
from tests.factories import SignedIn, refused
from tests.infra.harmful import EICAR
from tests.api.auth.sign_in import Now


@pytest.fixture(autouse=True)
def with_scanner(shelves: None, request: pytest.FixtureRequest) -> Iterator[None]:
    """The cabinet with a scanner: the real one, or one that is away."""
    before = records.cabinet()
    is_away = "away" in request.node.name
    url = f"tcp://127.0.0.1:{free_port()}" if is_away else request.getfixturevalue("clamd").url
    records.use(replace(before, scanner=ClamAV(url, seconds=5)))
    yield
    records.use(before)


@pytest.fixture
def visit(person: SignedIn) -> Appointment:
    return factories.make_visit(person.user, factories.make_doctor(factories.every_day("09:00", "10:00")))


def make_file(visit: Appointment, person: SignedIn, content: bytes | None = None) -> File:
    """A file that waits to be looked at."""
    name = factories.make_file(visit, person.user, content=content, state=State.WAITING)
    file: File = File.objects.get(filename=name)
    return file


def jobs_waiting() -> int:
    with Redis.from_url(settings().redis_url) as redis:
        waiting: int = redis.llen("files")
    return waiting


def test_an_upload_waits_until_it_was_looked_at(client: FlaskClient, person: SignedIn, visit: Appointment) -> None:
    (sent,) = files.uploaded(client, person, visit.id)
    early, asked = files.fetch(client, person, sent["url"]), jobs_waiting()
    scanning.scan(File.objects.get().id)

    assert (sent["status"], refused(early), asked) == ("waiting", (409, "FILE_NOT_READY"), 1)
    assert files.fetch(client, person, sent["url"]).status_code == 200


def test_a_harmful_file_is_read_by_nobody_and_put_aside(
    client: FlaskClient, person: SignedIn, visit: Appointment
) -> None:
    file = make_file(visit, person, EICAR)

    assert scanning.scan(file.id) is State.INFECTED
    assert refused(files.fetch(client, person, f"/api/files/{file.filename}")) == (404, "NOT_FOUND")
    kept = File.objects.get()
    assert (kept.key, kept.signature) == (f"quarantine/infected/{file.key}", "Eicar-Test.UNOFFICIAL")


def test_a_file_whose_quarantine_was_cut_off_is_put_aside_by_the_purge(person: SignedIn, visit: Appointment) -> None:
    file = make_file(visit, person)
    File.settle(file.id, State.INFECTED, now=clock.now(), signature="Eicar-Test")
    purging.purge()

    assert File.objects.get().key == f"quarantine/infected/{file.key}"


def test_while_the_scanner_is_away_nothing_is_clean(person: SignedIn, visit: Appointment, now: Now) -> None:
    file = make_file(visit, person)
    verdict = scanning.scan(file.id)
    now.shift(timedelta(minutes=2))

    assert (verdict, scanning.sweep(), File.objects.get().state) == (None, 0, State.WAITING)


def test_what_was_not_looked_at_is_by_a_sweep_a_minute_later(person: SignedIn, visit: Appointment, now: Now) -> None:
    for _ in range(5):
        make_file(visit, person)
    early = scanning.sweep()
    now.shift(timedelta(minutes=2))

    assert (early, scanning.sweep(), scanning.sweep()) == (0, 5, 0)
    assert set(File.objects.scalar("state")) == {State.READY}


def test_a_scanner_that_is_away_is_asked_a_few_times_and_not_about_the_same_files_each_time(
    person: SignedIn, visit: Appointment, now: Now
) -> None:
    for _ in range(6):
        make_file(visit, person)
    now.shift(timedelta(minutes=2))
    before = clock.now()
    scanning.sweep()
    asked_first = File.objects(updated_at__gte=before).count()
    scanning.sweep()

    assert (asked_first, File.objects(updated_at__gte=before).count()) == (3, 6)


def test_a_job_that_runs_twice_or_for_nothing_does_nothing(person: SignedIn, visit: Appointment) -> None:
    file = make_file(visit, person)

    verdicts = [scanning.scan(file.id), scanning.scan(file.id), scanning.scan(factories.NOBODY)]
    assert verdicts == [State.READY, None, None]
