"""The nightly purge, and the consistency check of metadata and storage."""

import shutil
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.files import file_store, rules
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.files.service import integrity, purging, uploading
from arthomed.files.storage import StorageUnavailable
from arthomed.users import service as users
from tests import factories
from tests.api.auth.sign_in import Now
from tests.api.files.file_requests import folder_only
from tests.factories import Records, SignedIn

pytestmark = pytest.mark.usefixtures("empty_storage")


@pytest.fixture
def file(person: SignedIn, appointment: Appointment) -> File:
    found: File = File.objects.get(filename=factories.make_file(appointment, person.user))
    return found


def stored_keys() -> list[str]:
    later = clock.now() + timedelta(days=1)
    return [one.key for one in file_store.current().storage.list_files(older_than=later)]


RETENTIONS: dict[str, tuple[Callable[[File], object], timedelta]] = {
    "never attached": (lambda file: File.objects(id=file.id).update(unset__attached_at=True), timedelta(hours=24)),
    "of a cancelled appointment": (
        lambda file: Appointment.objects(id=file.record).update(set__status=Status.CANCELLED),
        timedelta(days=30),
    ),
    "of a rejected appointment": (
        lambda file: Appointment.objects(id=file.record).update(set__status=Status.REJECTED),
        timedelta(days=30),
    ),
    "past its retention": (lambda file: file, timedelta(days=7 * 366)),
}


@pytest.mark.parametrize("reason", RETENTIONS)
def test_purge_deletes_a_file_exactly_when_its_retention_is_over(file: File, now: Now, reason: str) -> None:
    prepare, retention = RETENTIONS[reason]
    prepare(file)
    now.shift(retention - timedelta(minutes=1))
    purging.purge()
    before = stored_keys()
    now.shift(timedelta(minutes=2))
    purging.purge()

    assert before == [file.key]
    assert (stored_keys(), File.objects.count()) == ([], 0)


def test_purge_keeps_files_of_an_active_appointment(file: File, now: Now) -> None:
    now.shift(timedelta(days=365))

    assert purging.purge()["expired"] == 0
    assert stored_keys() == [file.key]


def test_stray_file_is_reported_and_quarantined(file: File, now: Now) -> None:
    File.objects.delete()
    now.shift(timedelta(hours=2))
    problems = list(integrity.check())
    purging.purge()

    assert problems == [f"stored without a record: {file.key}"]
    assert stored_keys() == [f"quarantine/strays/{file.key}"]
    assert list(integrity.check()) == []


def test_file_without_content_is_reported_and_marked_as_missing(file: File, now: Now) -> None:
    file_store.current().storage.delete(file.key)
    now.shift(timedelta(hours=2))
    problems = list(integrity.check())
    purging.purge()

    assert problems == [f"recorded, but not stored: {file.filename}"]
    assert File.objects.get().state is State.MISSING
    assert list(integrity.check()) == [f"missing: {file.filename}"]


def test_stray_file_is_restored_after_its_metadata_is_restored(file: File, database: Records, now: Now) -> None:
    records = list(database.files.find())
    database.files.delete_many({})
    now.shift(timedelta(hours=2))
    purging.purge()
    database.files.insert_many(records)
    now.shift(timedelta(days=40))
    purging.purge()
    before = File.objects.get().state
    purging.purge()

    assert (before, File.objects.get().state) == (State.MISSING, State.READY)
    assert stored_keys() == [file.key]


def test_file_of_another_size_is_reported_as_missing(file: File, now: Now) -> None:
    File.objects(id=file.id).update(inc__size=1)
    now.shift(timedelta(hours=2))

    assert list(integrity.check()) == [f"recorded, but not stored: {file.filename}"]


@folder_only
@pytest.mark.parametrize("kind", ["symlink to a file", "symlink to a folder", "note in quarantine"])
def test_foreign_files_do_not_stop_the_purge(file: File, now: Now, kind: str) -> None:
    folder = settings().uploads.folder
    if kind == "symlink to a file":
        (folder / "profiles").mkdir()
        (folder / "profiles" / "link.jpg").symlink_to("/etc/passwd")
    elif kind == "symlink to a folder":
        (folder / "profiles").symlink_to("/tmp")
    else:
        (folder / "quarantine/strays").mkdir(parents=True)
        (folder / "quarantine/strays" / "Read me.txt").write_text("seen")
    file_store.current().storage.delete(file.key)
    now.shift(timedelta(days=40))

    assert purging.purge()["missing"] == 1


@folder_only
def test_purge_and_check_fail_while_the_disk_is_not_mounted(app: Flask, file: File, now: Now) -> None:
    folder, elsewhere = settings().uploads.folder, settings().uploads.folder.with_name("elsewhere")
    folder.rename(elsewhere)
    now.shift(timedelta(hours=2))
    for call in (purging.purge, lambda: list(integrity.check())):
        with pytest.raises(StorageUnavailable):
            call()
    states = list(File.objects.scalar("state"))
    initialized = app.test_cli_runner().invoke(args=["uploads", "init"])
    problems = list(integrity.check())
    shutil.rmtree(folder)
    elsewhere.rename(folder)

    assert (states, initialized.exit_code) == ([State.READY], 0)
    assert problems == [f"recorded, but not stored: {file.filename}"]
    assert list(integrity.check()) == []


def test_purge_deletes_a_quarantined_stray_after_thirty_days(file: File, now: Now) -> None:
    File.objects.delete()
    now.shift(timedelta(hours=2))
    purging.purge()
    factories.make_file(Appointment.objects.get(), users.get(file.owner), state=State.INFECTED)
    purging.purge()
    assert len(stored_keys()) == 2

    now.shift(timedelta(days=31))
    assert purging.purge()["unclaimed"] == 1
    assert [key.startswith("quarantine/infected/") for key in stored_keys()] == [True]


def test_file_deleted_during_its_quarantine_is_deleted_from_the_storage(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.INFECTED)
    file_store.current().storage.move(file.key, rules.quarantine_key(file.key))  # the scan was interrupted here
    File.mark_for_deletion({"_id": file.id}, now=clock.now())
    purging.purge()

    assert (stored_keys(), File.objects.count()) == ([], 0)


def test_file_waiting_without_a_scanner_is_reported(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.WAITING)

    assert list(integrity.check()) == [f"waiting for a scanner, and there is none: {file.filename}"]


def test_missing_file_is_restored_once_its_content_is_back(
    client: FlaskClient, person: SignedIn, appointment: Appointment, file: File, now: Now
) -> None:
    other_key = "quarantine/aside.png"
    file_store.current().storage.move(file.key, other_key)
    now.shift(timedelta(hours=2))
    purging.purge()
    before = File.objects.get().state
    file_store.current().storage.move(other_key, file.key)

    assert (before, purging.purge()["restored"]) == (State.MISSING, 1)
    assert File.objects.get().state is State.READY


def test_infected_missing_file_is_not_restored(file: File) -> None:
    File.objects(id=file.id).update(set__state=State.MISSING, set__signature="Eicar-Test")

    assert purging.purge()["restored"] == 0
    assert File.objects.get().state is State.MISSING


def test_infected_file_without_content_does_not_stop_the_purge(file: File, now: Now) -> None:
    File.objects(id=file.id).update(set__state=State.INFECTED)
    file_store.current().storage.delete(file.key)
    now.shift(timedelta(hours=2))

    assert purging.purge()["missing"] == 1


def test_leftover_of_a_killed_process_is_deleted_after_a_day(now: Now) -> None:
    leftover = uploading.incoming_folder() / "upload-of-a-killed-process"
    leftover.write_bytes(b"half")
    too_early = purging.purge()["leftovers"]
    now.shift(timedelta(hours=25))

    assert (too_early, [*integrity.check()]) == (0, [f"left by a process that died: {leftover.name}"])
    assert purging.purge()["leftovers"] == 1
    assert not leftover.exists()


def test_upload_in_progress_is_not_a_stray(file: File) -> None:
    File.objects.delete()

    assert list(integrity.check()) == []
    assert purging.purge()["strays"] == 0
    assert stored_keys() == [file.key]


def test_purge_continues_after_it_was_killed(file: File, now: Now) -> None:
    File.mark_for_deletion({"_id": file.id}, now=clock.now())
    file_store.current().storage.delete(file.key)  # the purge was killed here
    now.shift(timedelta(hours=2))
    early = list(integrity.check())
    now.shift(timedelta(days=1))
    problems = list(integrity.check())

    assert (early, problems) == ([], [f"to be removed, but still there: {file.filename}"])
    assert purging.purge()["deleted"] == 1
    assert (list(integrity.check()), File.objects.count()) == ([], 0)


def test_commands_report_and_repair_problems(app: Flask, file: File, now: Now) -> None:
    runner = app.test_cli_runner()
    healthy = runner.invoke(args=["uploads", "check"])
    File.objects.delete()
    now.shift(timedelta(hours=2))
    problems, purged, repaired = (runner.invoke(args=["uploads", name]) for name in ("check", "purge", "check"))

    assert (healthy.exit_code, problems.exit_code, repaired.exit_code) == (0, 1, 0)
    assert file.key in problems.stdout
    assert purged.stdout == "1 strays\n"


def test_purge_deletes_the_files_of_an_erased_patient(
    app: Flask, client: FlaskClient, appointment: Appointment, file: File
) -> None:
    patient = users.get(appointment.patient_id)
    user = factories.sign_in(app, patient)
    factories.request_code(client, patient.mobile_number)
    body = {"otp": factories.code_for(patient.mobile_number)}
    factories.data_of(client.post("/api/users/profile/erasure", json=body, headers=user.headers))
    purging.purge()

    assert (stored_keys(), File.objects.count()) == ([], 0)
