"""The flask commands: create-admin, demo, slots, audit and migrate."""

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

from arthomed import cli, demo
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, consistency
from arthomed.audit import service as audit
from arthomed.core.permissions import Role
from arthomed.infra import migrations, mongo
from arthomed.scheduling.models import Slot
from arthomed.users import service as users
from arthomed.users.models import User
from dev.servers import free_port
from tests import factories
from tests.commands import run_twice_concurrently
from tests.factories import Records
from tests.unit.config.environment import PRODUCTION

Run = Callable[..., Result]
HOUR = factories.every_day("09:00", "10:00")

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def flask(app: Flask, environment: dict[str, str]) -> Iterator[Run]:
    """Run a command in this process, then restore the database connection and signal handler of the web process."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    audit.flush()  # its thread would open a connection of its own while a command replaces the connection
    yield lambda *arguments: app.test_cli_runner().invoke(args=arguments)
    signal.signal(signal.SIGTERM, on_sigterm)
    mongo.open_database(environment["MONGODB_URI"], timeout_ms=mongo.WEB_TIMEOUT_MS)


def test_create_admin_creates_an_active_verified_admin(flask: Run) -> None:
    result = flask("create-admin", "+91 98765-43210", "Kavita Desai")

    assert (result.exit_code, result.output) == (0, "Kavita Desai can sign in as an admin with 9876543210.\n")
    admin = User.objects.get(mobile_number="9876543210")
    assert (admin.role, admin.is_active, admin.is_verified) == (Role.ADMIN, True, True)


def test_search_keys_corrects_users_that_an_older_version_wrote(flask: Run) -> None:
    asha = factories.make_user(name="Asha Verma")
    User.collection().update_one({"_id": asha.id}, {"$set": {"name": "Usha Rao"}})

    assert [flask("search-keys").output for _ in range(2)] == ["1 users corrected\n", "0 users corrected\n"]
    assert User.objects.get(id=asha.id).search.words == ["usharao", "rao"]


@pytest.mark.parametrize(
    ("answer", "exit_code", "role"), [("y", 0, Role.ADMIN), ("n", 1, Role.PATIENT), ("", 1, Role.PATIENT)]
)
def test_create_admin_asks_before_it_promotes_a_patient(
    flask: Run, app: Flask, answer: str, exit_code: int, role: Role
) -> None:
    patient = factories.make_user(name="Asha Verma")

    result = app.test_cli_runner().invoke(
        args=["create-admin", patient.mobile_number, "Kavita Desai"], input=answer and f"{answer}\n"
    )

    question = f"{patient.mobile_number} belongs to Asha Verma (patient). Make this user an admin named Kavita Desai?"
    assert f"{question} All devices are signed out." in result.output
    assert result.exit_code == exit_code
    assert User.objects.get(mobile_number=patient.mobile_number).role is role
    del flask  # it restores the connection


def test_create_admin_with_yes_promotes_a_deactivated_user_and_ends_the_sessions(flask: Run, app: Flask) -> None:
    patient = factories.sign_in(app, factories.make_user(is_active=False))

    result = flask("create-admin", f"(+91) {patient.user.mobile_number}", "Kavita Desai", "--yes")

    assert (result.exit_code, result.stdout) == (
        0,
        f"Kavita Desai can sign in as an admin with {patient.user.mobile_number}.\n",
    )
    promoted = User.objects.get(id=patient.user.id)
    assert (promoted.role, promoted.is_active, promoted.is_verified) == (Role.ADMIN, True, True)
    assert promoted.name == "Kavita Desai"
    assert get_db().sessions.count_documents({"user": patient.user.id}) == 0


def test_create_admin_counts_the_appointments_that_the_former_doctor_can_no_longer_hold(flask: Run) -> None:
    doctor = factories.make_doctor()
    for time in ("09:00", "09:30"):
        factories.make_appointment(doctor=doctor, time=time)

    result = flask("create-admin", doctor.mobile_number, "Kavita Desai", "--yes")

    assert result.stdout.splitlines() == [
        f"Kavita Desai can sign in as an admin with {doctor.mobile_number}.",
        "Upcoming appointments that need another doctor: 2",
    ]


@pytest.mark.parametrize(("mobile", "name"), [("12345", "Kavita Desai"), ("9876543210", "1"), ("9876543210", "<b>")])
def test_create_admin_requires_a_valid_mobile_number_and_name(flask: Run, mobile: str, name: str) -> None:
    result = flask("create-admin", mobile, name)

    assert result.exit_code == 2
    assert "enter an Indian mobile number and a full name" in result.output
    assert User.objects.count() == 0


def test_the_demo_clinic_has_the_documented_users(flask: Run) -> None:
    result = flask("demo", "load")

    assert (result.exit_code, result.stdout) == (0, "Loaded the demo clinic: 5 doctors, 3 patients.\n")
    roles = {user.mobile_number: user.role for user in User.objects}
    doctors, patients = range(9000000011, 9000000016), range(9000000021, 9000000024)
    assert roles == {
        "9000000001": Role.ADMIN,
        "9000000002": Role.RECEPTIONIST,
        **{str(mobile): Role.DOCTOR for mobile in doctors},
        **{str(mobile): Role.PATIENT for mobile in patients},
    }


def test_the_demo_doctors_have_different_specializations_and_schedules(flask: Run) -> None:
    flask("demo", "load")

    doctors = [user.doctor_info for user in User.objects(role=Role.DOCTOR)]

    schedules = [{(hours.day, hours.start_time, hours.end_time) for hours in one.schedule} for one in doctors]
    assert len({one.specialization for one in doctors}) == 5
    assert len(set(map(frozenset, schedules))) == 5
    assert any(len({hours.day for hours in one.schedule}) < len(one.schedule) for one in doctors)
    assert {hours.max_patients for one in doctors for hours in one.schedule} == {1, 2}
    assert Slot.objects.distinct("doctor") != []


def test_the_demo_appointments_are_past_and_upcoming_with_different_statuses(flask: Run) -> None:
    flask("demo", "load")

    now = datetime.now(UTC)
    past = {appointment.status for appointment in Appointment.objects(starts_at__lt=now)}
    upcoming = {appointment.status for appointment in Appointment.objects(starts_at__gt=now)}
    assert past == {Status.COMPLETED, Status.NO_SHOW, Status.REJECTED}
    assert upcoming == {Status.PENDING, Status.CONFIRMED, Status.CANCELLED}


@pytest.mark.parametrize("day", ["2026-12-04", "2026-12-05", "2026-12-06"])
def test_the_demo_clinic_can_be_loaded_around_a_weekend_late_at_night(day: str) -> None:
    with time_machine.travel(factories.at_clinic(date.fromisoformat(day), "23:55"), tick=True):
        demo.load(if_empty=True)

        assert Appointment.objects.count() == 6
        assert list(consistency.violations()) == []


@pytest.mark.parametrize("arguments", [[], ["--if-empty"]], ids=str)
def test_loading_the_demo_clinic_twice_changes_nothing(flask: Run, arguments: list[str]) -> None:
    flask("demo", "load")
    before = (User.objects.count(), Slot.objects.count(), Appointment.objects.count())

    result = flask("demo", "load", *arguments)

    assert (result.exit_code, result.output) == (0, "The demo clinic is loaded already.\n")
    assert (User.objects.count(), Slot.objects.count(), Appointment.objects.count()) == before


def test_the_demo_clinic_is_not_loaded_if_empty_is_demanded_and_users_exist(flask: Run) -> None:
    factories.make_user()

    result = flask("demo", "load", "--if-empty")

    assert (result.exit_code, User.objects.count()) == (0, 1)
    assert result.output == "The database has other users already; the demo clinic was not loaded.\n"


@pytest.mark.parametrize("command", ["load", "today"])
def test_the_demo_clinic_is_refused_in_production(flask: Run, command: str) -> None:
    account = {name: value for name, value in PRODUCTION.items() if name.startswith("TWILIO")}
    secrets = {name: token_hex(32) for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "OTP_SECRET")}
    with factories.environment(APP_ENV="production", DLT_ENTITY_ID="1" * 19, **account, **secrets):
        result = flask("demo", command)

    assert (result.exit_code, result.output) == (1, "The demo clinic can't be loaded in production.\n")
    assert User.objects.count() == 0


def test_the_demo_clinic_can_be_loaded_beside_other_users(flask: Run) -> None:
    factories.make_user()

    assert flask("demo", "load").exit_code == 0
    assert User.objects.count() == 11


def test_an_interrupted_load_of_the_demo_clinic_is_completed(flask: Run) -> None:
    flask("demo", "load")
    complete = (User.objects.count(), Slot.objects.count(), Appointment.objects.count())
    last_patient = User.objects.get(mobile_number="9000000023")
    Appointment.objects(patient_id=last_patient.id).delete()
    User.objects(mobile_number__in=["9000000001", "9000000023"]).delete()
    Slot.objects(booked_patients=0, starts_at__lt=datetime.now(UTC), doctor=_user_id("9000000013")).delete()

    assert flask("demo", "load", "--if-empty").stdout == "Loaded the demo clinic: 5 doctors, 3 patients.\n"
    assert (User.objects.count(), Slot.objects.count(), Appointment.objects.count()) == complete
    assert list(consistency.violations()) == []


def test_a_cached_list_shows_the_past_appointment_of_an_interrupted_load(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, register = factories.sign_in(app, factories.make_user(mobile_number="9000000021")), users.register

    def past_appointments() -> int:
        response = app.test_client().get("/api/appointments/my-appointments", headers=patient.headers)
        return len(factories.data_of(response)["items"])

    def register_and_read(**fields: Any) -> User:
        user = register(**fields)
        assert past_appointments() == 0
        return user

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(users, "register", register_and_read)
        patched.setattr(booking, "book", interrupt)
        with pytest.raises(KeyboardInterrupt):
            demo.load(if_empty=False)

    assert past_appointments() == 1


def _user_id(mobile: str) -> ObjectId:
    user_id: ObjectId = User.objects.get(mobile_number=mobile).id
    return user_id


def test_generating_slots_twice_creates_them_once(flask: Run) -> None:
    doctor = factories.make_doctor(HOUR)
    Slot.objects(doctor=doctor.id).delete()

    first, second = flask("slots", "generate"), flask("slots", "generate")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == f"{Slot.objects.count()} new slots\n"
    assert second.stdout == "0 new slots\n"


def test_two_concurrent_commands_generate_each_slot_once(environment: dict[str, str], tmp_path: Path) -> None:
    for _ in range(3):
        factories.make_doctor(factories.every_day("08:00", "20:00"))
    expected = Slot.objects.count()
    Slot.objects.delete()

    outputs = run_twice_concurrently(tmp_path, environment, "slots", "generate")

    assert sum(int(text.split()[0]) for text in outputs) == Slot.objects.count() == expected


def consistent_appointments() -> Appointment:
    """Create appointments of a doctor with two seats in each slot: two in the first slot and one in the next."""
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2))
    factories.make_appointment(doctor=doctor, time="09:30")
    first, _ = (factories.make_appointment(doctor=doctor) for _ in range(2))
    return first


def test_the_audit_accepts_consistent_appointments(flask: Run) -> None:
    consistent_appointments()

    result = flask("audit")

    assert (result.exit_code, result.output) == (0, "Appointments and slots are consistent.\n")


def test_the_audit_accepts_an_empty_database(flask: Run) -> None:
    assert flask("audit").exit_code == 0


CAPACITY = "more active appointments than seats"
COUNT = "bookedPatients is not the number of active appointments"
SEAT = "a taken seat without an appointment"
AVAILABLE = "isAvailable does not match the free seats"
HOLDER = "appointment is not its only active appointment"
NO_PLACE = "active, but has neither a slot nor an overflow place"
NO_SEAT = "active, but its seat is not taken in its slot"


@pytest.mark.parametrize(
    ("slot_change", "appointment_change", "faults"),
    [
        ({"maxPatients": 1}, {}, {CAPACITY}),
        ({"bookedPatients": 1, "isAvailable": True}, {}, {COUNT}),
        ({"takenSeats": [1, 2, 3]}, {}, {SEAT}),
        ({"takenSeats": [2, 3]}, {}, {SEAT, NO_SEAT}),
        ({"takenSeats": [], "bookedPatients": 0, "isAvailable": True}, {}, {NO_SEAT}),
        ({"isAvailable": True}, {}, {AVAILABLE}),
        ({"isBlocked": True, "isAvailable": True}, {}, {AVAILABLE}),
        ({"startsAt": datetime(2020, 1, 1, tzinfo=UTC)}, {}, {NO_SEAT}),
        ({"doctor": factories.UNKNOWN_ID}, {}, {NO_SEAT}),
        ({}, {"status": "cancelled"}, {COUNT, SEAT, HOLDER}),
        ({}, {"slot": factories.UNKNOWN_ID}, {COUNT, SEAT, HOLDER, NO_SEAT}),
        ({}, {"seat": 3}, {SEAT, NO_SEAT}),
    ],
)
def test_the_audit_reports_each_inconsistency(
    flask: Run, slot_change: dict[str, Any], appointment_change: dict[str, Any], faults: set[str]
) -> None:
    appointment = consistent_appointments()
    records: Records = get_db()
    if slot_change:
        records.slots.update_one({"_id": appointment.slot}, {"$set": slot_change}, bypass_document_validation=True)
    if appointment_change:
        records.appointments.update_one(
            {"_id": appointment.id}, {"$set": appointment_change}, bypass_document_validation=True
        )

    result = flask("audit")

    found = {fault for line in result.output.splitlines() for fault in line.partition(": ")[2].split("; ")}
    assert (result.exit_code, found) == (1, faults)


@pytest.mark.parametrize(
    ("place", "is_reported"),
    [
        ({"source": "walk-in", "seat": 1001}, False),
        ({"source": "walk-in", "seat": 1000}, True),
        ({"source": "desk", "seat": 1001}, True),
        ({"source": "walk-in", "seat": 1000, "status": "cancelled"}, False),
    ],
    ids=str,
)
def test_the_audit_reports_an_active_appointment_with_neither_slot_nor_overflow_place(
    flask: Run, place: dict[str, Any], *, is_reported: bool
) -> None:
    appointment = consistent_appointments()
    records: Records = get_db()
    records.appointments.update_one({"_id": appointment.id}, {"$set": place, "$unset": {"slot": ""}})

    lines = flask("audit").output.splitlines()

    assert (f"appointment {appointment.id}: {NO_PLACE}" in lines) is is_reported
    assert len(lines) == 1 + is_reported  # its slot has a seat without an appointment


def test_the_audit_reports_the_id_of_the_record(flask: Run) -> None:
    appointment = consistent_appointments()
    records: Records = get_db()
    records.slots.delete_one({"_id": appointment.slot})

    lines = flask("audit").output.splitlines()

    assert f"appointment {appointment.id}: {NO_SEAT}" in lines
    assert len(lines) == 2


def test_migrate_up_reports_an_up_to_date_database(flask: Run) -> None:
    assert flask("migrate", "up").output == "The database is up to date.\n"


def test_migrate_status_prints_one_line_for_each_migration(flask: Run) -> None:
    lines = flask("migrate", "status").output.splitlines()

    assert [line.split()[0] for line in lines] == sorted(path.stem for path in migrations.MIGRATIONS.glob("0*.py"))
    assert not any("missing" in line for line in lines)


def test_an_unavailable_database_is_reported_in_one_line(flask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "CONNECT_TIMEOUT_SECONDS", 0.2)
    with factories.environment(MONGODB_URI=f"mongodb://127.0.0.1:{free_port()}/arthomed"):
        result = flask("audit")

    assert result.exit_code == 1
    assert result.output.startswith("MongoDB can't be reached; see MONGODB_URI (127.0.0.1:")
    assert result.output.count("\n") == 1
