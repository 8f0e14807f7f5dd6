"""What is kept no longer goes each night, and what the records and the storage don't agree on is found."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import State
from arthomed.files.service import purging, receiving
from arthomed.files.storage import StorageUnavailable
from arthomed.users import service as users
from tests import factories
from tests.factories import SignedIn
from tests.api.auth.sign_in import Now

HOUR = factories.every_day("09:00", "10:00")


pytestmark = pytest.mark.usefixtures("shelves")
in_a_folder = pytest.mark.parametrize("shelves", ["folder"], indirect=True)


@pytest.fixture
def visit(person: SignedIn) -> Appointment:
    return factories.make_visit(person.user, factories.make_doctor(HOUR))


@pytest.fixture
def file(person: SignedIn, visit: Appointment) -> File:
    found: File = File.objects.get(filename=factories.make_file(visit, person.user))
    return found


def stored() -> list[str]:
    later = clock.now() + timedelta(days=1)
    return [one.key for one in cabinet().storage.keys(older_than=later)]


AGES: dict[str, tuple[Callable[[File], object], timedelta]] = {
    "never attached": (lambda file: File.objects(id=file.id).update(unset__attached_at=True), timedelta(hours=24)),
    "of a cancelled visit": (
        lambda file: Appointment.objects(id=file.record).update(set__status=Status.CANCELLED),
        timedelta(days=30),
    ),
    "of a rejected visit": (
        lambda file: Appointment.objects(id=file.record).update(set__status=Status.REJECTED),
        timedelta(days=30),
    ),
    "past its retention": (lambda file: file, timedelta(days=7 * 366)),
}


@pytest.mark.parametrize("what", AGES)
def test_a_file_goes_when_its_time_has_come_and_not_before(file: File, now: Now, what: str) -> None:
    make, age = AGES[what]
    make(file)
    now.shift(age - timedelta(minutes=1))
    purging.purge()
    before = stored()
    now.shift(timedelta(minutes=2))
    purging.purge()

    assert before == [file.key]
    assert (stored(), File.objects.count()) == ([], 0)


def test_the_files_of_a_visit_that_goes_on_stay(file: File, now: Now) -> None:
    now.shift(timedelta(days=365))

    assert purging.purge()["doomed"] == 0
    assert stored() == [file.key]


def test_what_is_stored_without_a_record_is_told_and_put_aside(file: File, now: Now) -> None:
    File.objects.delete()
    now.shift(timedelta(hours=2))
    told = list(purging.check())
    purging.purge()

    assert told == [f"stored without a record: {file.key}"]
    assert stored() == [f"quarantine/strays/{file.key}"]
    assert list(purging.check()) == []


def test_a_record_without_its_file_is_told_and_given_to_nobody(file: File, now: Now) -> None:
    cabinet().storage.delete(file.key)
    now.shift(timedelta(hours=2))
    told = list(purging.check())
    purging.purge()

    assert told == [f"recorded, but not stored: {file.filename}"]
    assert File.objects.get().state is State.MISSING
    assert list(purging.check()) == [f"missing: {file.filename}"]


def test_what_was_put_aside_while_its_record_was_away_comes_back_with_it(
    file: File, database: Database[dict[str, Any]], now: Now
) -> None:
    records = list(database.files.find())
    database.files.delete_many({})
    now.shift(timedelta(hours=2))
    purging.purge()
    database.files.insert_many(records)
    now.shift(timedelta(days=40))
    purging.purge()
    lost = File.objects.get().state
    purging.purge()

    assert (lost, File.objects.get().state) == (State.MISSING, State.READY)
    assert stored() == [file.key]


def test_a_file_of_another_size_is_not_the_recorded_one(file: File, now: Now) -> None:
    File.objects(id=file.id).update(inc__size=1)
    now.shift(timedelta(hours=2))

    assert list(purging.check()) == [f"recorded, but not stored: {file.filename}"]


@in_a_folder
@pytest.mark.parametrize("kind", ["a link", "a folder's link", "a note in quarantine"])
def test_what_is_no_file_of_ours_stops_no_purge(file: File, now: Now, kind: str) -> None:
    folder = settings().uploads.folder
    if kind == "a link":
        (folder / "profiles").mkdir()
        (folder / "profiles" / "link.jpg").symlink_to("/etc/passwd")
    elif kind == "a folder's link":
        (folder / "profiles").symlink_to("/tmp")
    else:
        (folder / "quarantine/strays").mkdir(parents=True)
        (folder / "quarantine/strays" / "Read me.txt").write_text("seen")
    cabinet().storage.delete(file.key)
    now.shift(timedelta(days=40))

    assert purging.purge()["missing"] == 1


@in_a_folder
def test_nothing_is_called_missing_while_the_disk_is_away(app: Flask, file: File, now: Now) -> None:
    folder, elsewhere = settings().uploads.folder, settings().uploads.folder.with_name("elsewhere")
    folder.rename(elsewhere)
    now.shift(timedelta(hours=2))
    for call in (purging.purge, lambda: list(purging.check())):
        with pytest.raises(StorageUnavailable):
            call()
    states = list(File.objects.scalar("state"))
    renewed = app.test_cli_runner().invoke(args=["uploads", "init"])
    told = list(purging.check())
    shutil.rmtree(folder)
    elsewhere.rename(folder)

    assert (states, renewed.exit_code) == ([State.READY], 0)
    assert told == [f"recorded, but not stored: {file.filename}"]
    assert list(purging.check()) == []


def test_what_nobody_looked_at_in_quarantine_goes_after_a_month(file: File, now: Now) -> None:
    File.objects.delete()
    now.shift(timedelta(hours=2))
    purging.purge()
    factories.make_file(Appointment.objects.get(), users.get(file.owner), state=State.INFECTED)
    purging.purge()
    assert len(stored()) == 2

    now.shift(timedelta(days=31))
    assert purging.purge()["forgotten"] == 1
    assert [key.startswith("quarantine/infected/") for key in stored()] == [True]


def test_what_is_removed_while_a_scanner_moves_it_leaves_nothing(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.INFECTED)
    cabinet().storage.move(file.key, rules.quarantined(file.key))  # and here the scanner was interrupted
    File.doom({"_id": file.id}, now=clock.now())
    purging.purge()

    assert (stored(), File.objects.count()) == ([], 0)


def test_what_waits_for_a_scanner_that_is_gone_is_told(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.WAITING)

    assert list(purging.check()) == [f"waiting for a scanner, and there is none: {file.filename}"]


def test_a_file_that_comes_back_is_given_again(
    client: FlaskClient, person: SignedIn, visit: Appointment, file: File, now: Now
) -> None:
    aside = "quarantine/aside.png"
    cabinet().storage.move(file.key, aside)
    now.shift(timedelta(hours=2))
    purging.purge()
    lost = File.objects.get().state
    cabinet().storage.move(aside, file.key)

    assert (lost, purging.purge()["found"]) == (State.MISSING, 1)
    assert File.objects.get().state is State.READY


def test_a_harmful_file_that_comes_back_is_not(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.MISSING, set__signature="Eicar-Test")

    assert purging.purge().get("found", 0) == 0
    assert File.objects.get().state is State.MISSING


def test_what_can_not_be_put_into_quarantine_stops_no_purge(file: File, now: Now) -> None:
    File.objects(id=file.id).update(set__state=State.INFECTED)
    cabinet().storage.delete(file.key)
    now.shift(timedelta(hours=2))

    assert purging.purge()["missing"] == 1


def test_what_a_process_left_on_its_way_in_goes_after_a_day(now: Now) -> None:
    left = receiving.incoming() / "upload-of-one-that-died"
    left.write_bytes(b"half")
    young = purging.purge().get("leftovers", 0)
    now.shift(timedelta(hours=25))

    assert (young, [*purging.check()]) == (0, [f"left by a process that died: {left.name}"])
    assert purging.purge()["leftovers"] == 1
    assert not left.exists()


def test_what_is_on_its_way_is_left_alone(file: File) -> None:
    File.objects.delete()

    assert list(purging.check()) == []
    assert purging.purge().get("strays", 0) == 0
    assert stored() == [file.key]


def test_a_purge_that_was_killed_goes_on_where_it_was(file: File, now: Now) -> None:
    File.doom({"_id": file.id}, now=clock.now())
    cabinet().storage.delete(file.key)  # and here it was killed
    now.shift(timedelta(hours=2))
    early = list(purging.check())
    now.shift(timedelta(days=1))
    told = list(purging.check())

    assert (early, told) == ([], [f"to be removed, but still there: {file.filename}"])
    assert purging.purge()["removed"] == 1
    assert (list(purging.check()), File.objects.count()) == ([], 0)


def test_the_commands_say_what_is_wrong_and_mend_it(app: Flask, file: File, now: Now) -> None:
    runner = app.test_cli_runner()
    sound = runner.invoke(args=["uploads", "check"])
    File.objects.delete()
    now.shift(timedelta(hours=2))
    wrong, purged, again = (runner.invoke(args=["uploads", name]) for name in ("check", "purge", "check"))

    assert (sound.exit_code, wrong.exit_code, again.exit_code) == (0, 1, 0)
    assert file.key in wrong.stdout
    assert purged.stdout == "1 strays\n"


def test_the_files_of_who_is_forgotten_go(app: Flask, client: FlaskClient, visit: Appointment, file: File) -> None:
    patient = users.get(visit.patient_id)
    who = factories.sign_in(app, patient)
    factories.ask_for_code(client, patient.mobile_number)
    body = {"otp": factories.code_for(patient.mobile_number)}
    factories.told(client.post("/api/users/profile/erasure", json=body, headers=who.headers))
    purging.purge()

    assert (stored(), File.objects.count()) == ([], 0)
