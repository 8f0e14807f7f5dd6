"""The flask commands: the first admin, the demo clinic, slots and the audit of the books."""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import time_machine
from bson import ObjectId
from click.testing import Result
from flask import Flask
from mongoengine.connection import get_db
from pymongo.database import Database

from arthomed import cli, demo
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.infra import migrations, mongo
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from dev.servers import free_port
from tests import factories
from tests.commands import twice_at_once

Run = Callable[..., Result]
Records = Database[dict[str, Any]]
HOUR = factories.every_day("09:00", "10:00")

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def flask(app: Flask, environment: dict[str, str]) -> Iterator[Run]:
    """Run a command in this process; afterwards its connection and its signals are again those of the web."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    yield lambda *arguments: app.test_cli_runner().invoke(args=arguments)
    signal.signal(signal.SIGTERM, on_sigterm)
    mongo.open_database(environment["MONGODB_URI"], timeout_ms=mongo.WEB_TIMEOUT_MS)


def test_the_first_admin_comes_from_the_command_line(flask: Run) -> None:
    done = flask("create-admin", "+91 98765-43210", "Kavita Desai")

    assert (done.exit_code, done.output) == (0, "Kavita Desai can sign in as an admin with 9876543210.\n")
    admin = User.objects.get(mobile_number="9876543210")
    assert (admin.role, admin.is_active, admin.is_verified) == (Role.ADMIN, True, True)


def test_a_number_that_is_registered_makes_no_admin(flask: Run) -> None:
    patient = factories.make_user()

    done = flask("create-admin", patient.mobile_number, "Kavita Desai")

    assert (done.exit_code, done.output) == (1, "Mobile number is already registered\n")
    assert User.objects.get(mobile_number=patient.mobile_number).role is Role.PATIENT


@pytest.mark.parametrize(("mobile", "name"), [("12345", "Kavita Desai"), ("9876543210", "K"), ("9876543210", "<b>")])
def test_an_admin_has_a_mobile_number_and_a_name(flask: Run, mobile: str, name: str) -> None:
    done = flask("create-admin", mobile, name)

    assert done.exit_code == 2
    assert "an Indian mobile number and a name are needed" in done.output
    assert User.objects.count() == 0


def test_the_demo_clinic_has_the_people_that_scripts_rely_on(flask: Run) -> None:
    done = flask("demo", "load")

    assert (done.exit_code, done.stdout) == (0, "Loaded the demo clinic: 5 doctors, 3 patients.\n")
    roles = {user.mobile_number: user.role for user in User.objects}
    doctors, patients = range(9000000011, 9000000016), range(9000000021, 9000000024)
    assert roles == {
        "9000000001": Role.ADMIN,
        "9000000002": Role.RECEPTIONIST,
        **{str(mobile): Role.DOCTOR for mobile in doctors},
        **{str(mobile): Role.PATIENT for mobile in patients},
    }


def test_the_demo_doctors_differ(flask: Run) -> None:
    flask("demo", "load")

    doctors = [user.doctor_info for user in User.objects(role=Role.DOCTOR)]

    weeks = [{(hours.day, hours.start_time, hours.end_time) for hours in one.schedule} for one in doctors]
    assert len({one.specialization for one in doctors}) == 5
    assert len(set(map(frozenset, weeks))) == 5
    assert any(len({hours.day for hours in one.schedule}) < len(one.schedule) for one in doctors)
    assert {hours.max_patients for one in doctors for hours in one.schedule} == {1, 2}
    assert Slot.objects.distinct("doctor") != []


def test_the_demo_visits_are_past_and_coming_and_of_different_states(flask: Run) -> None:
    flask("demo", "load")

    now = datetime.now(UTC)
    past = {visit.status for visit in Appointment.objects(starts_at__lt=now)}
    coming = {visit.status for visit in Appointment.objects(starts_at__gt=now)}
    assert past == {Status.COMPLETED, Status.NO_SHOW, Status.REJECTED}
    assert coming == {Status.PENDING, Status.CONFIRMED, Status.CANCELLED}


@pytest.mark.parametrize("day", ["2026-12-04", "2026-12-05", "2026-12-06"])
def test_the_demo_clinic_can_be_loaded_around_a_weekend_late_at_night(day: str) -> None:
    with time_machine.travel(factories.at_clinic(date.fromisoformat(day), "23:55"), tick=True):
        demo.load(if_empty=True)

        assert Appointment.objects.count() == 6
        assert list(consistency.violations()) == []


@pytest.mark.parametrize("arguments", [[], ["--if-empty"]], ids=str)
def test_the_demo_clinic_is_loaded_once(flask: Run, arguments: list[str]) -> None:
    flask("demo", "load")
    before = (User.objects.count(), Slot.objects.count(), Appointment.objects.count())

    done = flask("demo", "load", *arguments)

    assert (done.exit_code, done.output) == (0, "The demo clinic is loaded already.\n")
    assert (User.objects.count(), Slot.objects.count(), Appointment.objects.count()) == before


def test_the_demo_clinic_stays_away_from_a_clinic_that_has_people(flask: Run) -> None:
    factories.make_user()

    done = flask("demo", "load", "--if-empty")

    assert (done.exit_code, User.objects.count()) == (0, 1)
    assert done.output == "There are people already; the demo clinic was not loaded.\n"


def test_the_demo_clinic_stays_away_from_production(flask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    account = {f"TWILIO_{name}": "of-the-tests" for name in ("ACCOUNT_SID", "AUTH_TOKEN", "PHONE_NUMBER")}
    secrets = {name: token_hex(32) for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")}
    for name, value in {"APP_ENV": "production", "DLT_ENTITY_ID": "1" * 19, **account, **secrets}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    done = flask("demo", "load")
    monkeypatch.undo()
    settings.cache_clear()

    assert (done.exit_code, done.output) == (1, "The demo clinic is not for production.\n")
    assert User.objects.count() == 0


def test_the_demo_clinic_may_join_a_clinic_that_has_people(flask: Run) -> None:
    factories.make_user()

    assert flask("demo", "load").exit_code == 0
    assert User.objects.count() == 11


def test_a_demo_clinic_that_was_cut_off_is_completed(flask: Run) -> None:
    flask("demo", "load")
    whole = (User.objects.count(), Slot.objects.count(), Appointment.objects.count())
    late = User.objects.get(mobile_number="9000000023")
    Appointment.objects(patient_id=late.id).delete()
    User.objects(mobile_number__in=["9000000001", "9000000023"]).delete()
    Slot.objects(booked_patients=0, starts_at__lt=datetime.now(UTC), doctor=_doctor("9000000013")).delete()

    assert flask("demo", "load", "--if-empty").stdout == "Loaded the demo clinic: 5 doctors, 3 patients.\n"
    assert (User.objects.count(), Slot.objects.count(), Appointment.objects.count()) == whole
    assert list(consistency.violations()) == []


def _doctor(mobile: str) -> ObjectId:
    found: ObjectId = User.objects.get(mobile_number=mobile).id
    return found


def test_slots_are_made_by_command_as_often_as_one_likes(flask: Run) -> None:
    doctor = factories.make_doctor(HOUR)
    Slot.objects(doctor=doctor.id).delete()

    first, second = flask("slots", "generate"), flask("slots", "generate")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == f"{Slot.objects.count()} new slots\n"
    assert second.stdout == "0 new slots\n"


def test_slots_made_by_two_commands_at_once_are_made_once(environment: dict[str, str], tmp_path: Path) -> None:
    for _ in range(3):
        factories.make_doctor(factories.every_day("08:00", "20:00"))
    expected = Slot.objects.count()
    Slot.objects.delete()

    told = twice_at_once(tmp_path, environment, "slots", "generate")

    assert sum(int(text.split()[0]) for text in told) == Slot.objects.count() == expected


def good_books() -> Appointment:
    """A doctor who takes two a slot, with two visits in one and one cancelled."""
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2))
    factories.make_visit(doctor=doctor, time="09:30")
    first, _ = (factories.make_visit(doctor=doctor) for _ in range(2))
    return first


def test_the_audit_finds_nothing_in_good_books(flask: Run) -> None:
    good_books()

    done = flask("audit")

    assert (done.exit_code, done.output) == (0, "The books are in order.\n")


def test_the_audit_of_an_empty_clinic_finds_nothing(flask: Run) -> None:
    assert flask("audit").exit_code == 0


CAPACITY = "more active appointments than seats"
COUNT = "bookedPatients is not the number of active appointments"
SEAT = "a taken seat without an appointment"
AVAILABLE = "isAvailable does not match the free seats"
NO_SEAT = "active, but its seat is not taken in its slot"


@pytest.mark.parametrize(
    ("of_slot", "of_visit", "faults"),
    [
        ({"maxPatients": 1}, {}, {CAPACITY}),
        ({"bookedPatients": 1, "isAvailable": True}, {}, {COUNT}),
        ({"takenSeats": [1, 2, 3]}, {}, {SEAT}),
        ({"takenSeats": [2, 3]}, {}, {SEAT, NO_SEAT}),
        ({"takenSeats": [], "bookedPatients": 0, "isAvailable": True}, {}, {NO_SEAT}),
        ({"isAvailable": True}, {}, {AVAILABLE}),
        ({"isBlocked": True, "isAvailable": True}, {}, {AVAILABLE}),
        ({"startsAt": datetime(2020, 1, 1, tzinfo=UTC)}, {}, {NO_SEAT}),
        ({"doctor": factories.NOBODY}, {}, {NO_SEAT}),
        ({}, {"status": "cancelled"}, {COUNT, SEAT}),
        ({}, {"slot": factories.NOBODY}, {COUNT, SEAT, NO_SEAT}),
        ({}, {"seat": 3}, {SEAT, NO_SEAT}),
    ],
)
def test_the_audit_finds_what_must_never_be(
    flask: Run, of_slot: dict[str, Any], of_visit: dict[str, Any], faults: set[str]
) -> None:
    visit = good_books()
    books: Records = get_db()
    if of_slot:
        books.slots.update_one({"_id": visit.slot}, {"$set": of_slot}, bypass_document_validation=True)
    if of_visit:
        books.appointments.update_one({"_id": visit.id}, {"$set": of_visit}, bypass_document_validation=True)

    done = flask("audit")

    found = {fault for line in done.output.splitlines() for fault in line.partition(": ")[2].split("; ")}
    assert (done.exit_code, found) == (1, faults)


def test_the_audit_names_the_record(flask: Run) -> None:
    visit = good_books()
    slots: Records = get_db()
    slots.slots.delete_one({"_id": visit.slot})

    lines = flask("audit").output.splitlines()

    assert f"appointment {visit.id}: {NO_SEAT}" in lines
    assert len(lines) == 2


def test_migrating_an_up_to_date_database_says_so(flask: Run) -> None:
    assert flask("migrate", "up").output == "The database is up to date.\n"


def test_the_status_of_the_migrations_is_a_line_each(flask: Run) -> None:
    lines = flask("migrate", "status").output.splitlines()

    assert [line.split()[0] for line in lines] == sorted(path.stem for path in migrations.MIGRATIONS.glob("0*.py"))
    assert not any("missing" in line for line in lines)


def test_a_database_that_is_away_is_told_in_one_line(flask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", f"mongodb://127.0.0.1:{free_port()}/arthomed")
    monkeypatch.setattr(cli, "_REACHED_WITHIN_SECONDS", 0.2)
    settings.cache_clear()
    done = flask("audit")
    monkeypatch.undo()
    settings.cache_clear()

    assert (done.exit_code, done.output) == (1, "MongoDB can't be reached; see MONGODB_URI.\n")
