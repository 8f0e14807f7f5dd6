"""Frequent queries use an index and do not sort in memory, by the profiler of MongoDB."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from mongoengine.connection import get_db

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import SlotUnavailable, Status
from arthomed.appointments.service import booking, staff, transitions
from arthomed.appointments.service.patients import own_patients
from arthomed.auth.models import Otp
from arthomed.auth.service import otp, sessions
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files.service import purging, scanning
from arthomed.frontdesk.models import Room
from arthomed.frontdesk.service import display
from arthomed.infra.clamav import ClamAV
from arthomed.notifications import receipts
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.privacy.service import erasure
from arthomed.scheduling import service as scheduling
from arthomed.users import patients
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import fail
from tests.api.files import file_requests
from tests.factories import Records, SignedIn
from tests.migrations import records
from tests.migrations.plans import inefficient, profiled

MANY = 240


@dataclass
class Clinic:
    """Enough documents that MongoDB prefers an efficient plan."""

    app: Flask
    doctor: User
    appointment: Appointment
    patient: SignedIn
    desk: SignedIn

    def number_with_a_code(self) -> str:
        mobile = factories.new_mobile()
        factories.data_of(factories.request_code(self.app.test_client(), mobile))
        return mobile

    def get(self, path: str, caller: SignedIn | None = None) -> None:
        caller = caller or self.desk
        factories.data_of(self.app.test_client().get(f"/api{path}", headers=caller.headers))

    def get_file(self, path: str, caller: SignedIn) -> None:
        assert self.app.test_client().get(f"/api{path}", headers=caller.headers).mimetype == "application/json"

    def fetch(self, filename: str) -> None:
        assert file_requests.fetch(self.app.test_client(), self.patient, f"/api/files/{filename}").status_code == 200

    def delete(self, filename: str) -> None:
        factories.data_of(self.app.test_client().delete(f"/api/files/{filename}", headers=self.patient.headers))

    def as_admin(self, path: str) -> None:
        self.get(path, factories.sign_in(self.app, factories.make_user(Role.ADMIN)))

    def audited(self, query: str) -> None:
        self.as_admin(f"/admin/audit?{query}")

    def mine(self, query: str = "") -> None:
        self.get(f"/appointments/my-appointments?{query}", self.patient)

    def listed_for_the_doctor(self, query: str = "") -> None:
        self.get(f"/appointments?{query}", factories.sign_in(self.app, self.doctor))


@pytest.fixture(scope="module")
def clinic(app: Flask) -> Clinic:
    """One clinic for all queries: each finds enough documents, whatever the others changed before."""
    database: Records = get_db()
    doctor, other_doctor = (factories.make_doctor(factories.every_day("09:00", "11:00")) for _ in range(2))
    for _ in range(20):
        factories.make_doctor([])
    patient, other_patient = factories.sign_in(app), factories.make_user()
    appointment = factories.make_appointment(patient.user, doctor)
    template = database.appointments.find_one({"_id": appointment.id})
    assert template is not None
    database.appointments.insert_many(
        [
            {
                **template,
                **on_day(number),
                "patient": (patient.user if number % 3 == 0 else other_patient).id,
                "doctor": (doctor if number % 4 == 0 else other_doctor).id,
                "status": sorted(Status)[number % len(Status)],
            }
            for number in range(MANY)
        ]
    )
    waiting = [records.message(dueAt=clock.now() - timedelta(hours=number)) for number in range(MANY)]
    database.notifications.insert_many(waiting)
    failed = [records.message(state="failed", fallback="email", fallbackAt=clock.now()) for _ in range(MANY)]
    database.notifications.insert_many(failed)
    database.notifications.insert_many([records.message(state="sent") for _ in range(MANY)])
    database.payments.insert_many(
        [
            records.payment(
                receiptNumber=f"2025-26/{number:06}",
                appointment=appointment.id if number % 4 == 0 else ObjectId(),
                patient=(patient.user if number % 4 == 0 else other_patient).id,
                receivedBy=other_doctor.id,
                createdBy=other_doctor.id,
                at=on_day(number)["startsAt"],
                createdAt=clock.now(),
            )
            for number in range(MANY)
        ]
    )
    file_store.current().storage.prepare()
    database.files.insert_many([records.file(owner=patient.user.id) for _ in range(MANY)])
    database.sessions.insert_many(
        [records.session(user=other_patient.id, pushToken=str(ObjectId())) for _ in range(MANY)]
    )
    return Clinic(app, doctor, appointment, patient, factories.sign_in(app, factories.make_user(Role.RECEPTIONIST)))


def on_day(number: int) -> dict[str, Any]:
    starts_at = datetime(2025, 1, 1, 3, 30, tzinfo=UTC) + timedelta(days=number)
    return {
        "_id": ObjectId(),
        "appointmentDate": starts_at.replace(hour=0, minute=0),
        "startsAt": starts_at,
        "endsAt": starts_at + timedelta(minutes=30),
        "createdAt": starts_at - timedelta(days=number % 7),
    }


def book_a_taken_slot(clinic: Clinic) -> None:
    factories.make_appointment(doctor=clinic.doctor, time="10:00")
    with pytest.raises(SlotUnavailable):
        factories.make_appointment(doctor=clinic.doctor, time="10:00")


def cancel_one_of_two_in_a_slot(clinic: Clinic) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2))
    first, _ = (factories.make_appointment(doctor=doctor) for _ in range(2))
    transitions.cancel(factories.actor_of(clinic.desk.user), first.id, reason=None)


def book_by_a_frequent_patient(clinic: Clinic) -> None:
    patient = factories.make_user(bookings_count=20)
    factories.make_appointment(patient, clinic.doctor, time="09:00", day=factories.tomorrow() + timedelta(days=1))


def pay_and_correct(clinic: Clinic) -> None:
    desk, appointment = factories.actor_of(clinic.desk.user), factories.make_appointment()
    paid = recording.pay(desk, appointment.id, 100, Method.UPI, reference=None, key="a-key-of-the-desk").payment
    recording.correct(desk, paid.id, reason="Entered twice", key=None)


def send_a_code(clinic: Clinic) -> None:
    otp.deliver(Otp.objects.get(mobile_number=clinic.number_with_a_code()).issue)


def sign_in_with_a_code(clinic: Clinic) -> None:
    mobile = clinic.number_with_a_code()
    factories.data_of(factories.submit_code(clinic.app.test_client(), mobile, factories.code_for(mobile)))


def sweep_scans() -> None:
    before = file_store.current()
    file_store.use(replace(before, scanner=ClamAV("tcp://127.0.0.1:1")))
    scanning.sweep()
    file_store.use(before)


def upload_a_file(clinic: Clinic) -> None:
    patient = factories.sign_in(clinic.app)
    appointment = factories.make_appointment(patient.user, clinic.doctor, time="10:30")
    file_requests.upload_files(clinic.app.test_client(), patient, appointment.id)


def get_slots_twice(clinic: Clinic) -> None:
    for _ in range(2):
        clinic.get(f"/appointments/slots?doctorId={clinic.doctor.id}&date={factories.tomorrow()}")


def register_a_patient(clinic: Clinic) -> None:
    desk = factories.actor_of(clinic.desk.user)
    patients.register(desk, factories.new_mobile(), name="Test Patient", profile={"date_of_birth": date(1990, 4, 21)})


def get_day_twice(clinic: Clinic) -> None:
    for _ in range(2):
        clinic.get(f"/appointments/day?date={factories.tomorrow()}")


def show_a_display(clinic: Clinic) -> None:
    rooms = [Room(doctor=clinic.doctor.id, room="Room 3")]
    key = display.create_key(factories.actor_of(clinic.desk.user), "Hall", rooms).key
    clinic.get(f"/display/{key}")


def a_month() -> str:
    first = factories.tomorrow()
    return f"from={first}&to={first + timedelta(days=30)}"


FREQUENT: dict[str, Callable[[Clinic], object]] = {
    "slots of a day": lambda c: c.get(f"/appointments/slots?doctorId={c.doctor.id}&date={factories.tomorrow()}"),
    "slots of a day from the cache": get_slots_twice,
    "availability": lambda c: c.get(f"/users/doctors/{c.doctor.id}/availability?{a_month()}"),
    "doctors": lambda c: c.get("/users/doctors"),
    "doctors by name": lambda c: c.get("/users/doctors?search=doctor&page=2"),
    "users by name": lambda c: c.as_admin("/users?sort=name"),
    "doctors of a specialization by name": lambda c: c.get("/users/doctors?specialization=Cardiology&search=doctor"),
    "users by number": lambda c: c.as_admin("/users?search=%2B91+98765+43210"),
    "users by address": lambda c: c.as_admin("/users?search=asha%40example.com&role=patient"),
    "users by two words": lambda c: c.as_admin("/users?search=test+patient&isActive=true"),
    "patients by one word": lambda c: c.get("/patients?search=test"),
    "patients by two words": lambda c: c.get("/patients?search=test+patient&page=2"),
    "patients by last digits": lambda c: c.get("/patients?search=0001"),
    "patients by number": lambda c: c.get(f"/patients?search={c.patient.user.mobile_number}"),
    "patients by token": lambda c: c.get("/patients?search=%2312"),
    "a doctor's patients by name": lambda c: c.get("/patients?search=test", factories.sign_in(c.app, c.doctor)),
    "a doctor's patients by token": lambda c: c.get("/patients?search=%2312", factories.sign_in(c.app, c.doctor)),
    "registering a patient": register_a_patient,
    "user statistics": lambda c: c.as_admin("/users/stats"),
    "doctors who are free on a day": lambda c: c.get(f"/users/doctors?date={factories.tomorrow()}"),
    "doctors of a specialization": lambda c: c.get("/users/doctors?specialization=Cardiology"),
    "my appointments": lambda c: c.mine(),
    "my second page": lambda c: c.mine("page=2"),
    "my upcoming appointments": lambda c: c.mine("when=upcoming"),
    "my appointments with a status": lambda c: c.mine("status=completed"),
    "my past appointments with a status": lambda c: c.mine("status=completed&when=past"),
    "all appointments": lambda c: c.get("/appointments"),
    "appointments with a status": lambda c: c.get("/appointments?status=confirmed"),
    "appointments of some days": lambda c: c.get("/appointments?startDate=2025-02-01&endDate=2025-02-28"),
    "appointments of a doctor": lambda c: c.get(f"/appointments?doctorId={c.doctor.id}"),
    "appointments of a patient": lambda c: c.get(f"/appointments?patientId={c.patient.user.id}"),
    "upcoming appointments": lambda c: c.get("/appointments?when=upcoming"),
    "a doctor's own appointments": lambda c: c.listed_for_the_doctor(),
    "a doctor's own appointments with a status": lambda c: c.listed_for_the_doctor("status=confirmed"),
    "a day in queue order": lambda c: c.get(f"/appointments/day?date={factories.tomorrow()}"),
    "a doctor's day in queue order": lambda c: c.get(
        f"/appointments/day?date={factories.tomorrow()}", factories.sign_in(c.app, c.doctor)
    ),
    "a day in queue order from the cache": get_day_twice,
    "a display": show_a_display,
    "closing earlier days": lambda _: transitions.close_earlier_days(),
    "pending appointments": lambda c: c.get("/appointments/pending"),
    "one appointment": lambda c: c.get(f"/appointments/{c.appointment.id}"),
    "booking": lambda c: factories.make_appointment(doctor=c.doctor, time="09:30"),
    "booking by a frequent patient": book_by_a_frequent_patient,
    "booking a taken slot": book_a_taken_slot,
    "cancelling": lambda c: transitions.cancel(factories.actor_of(c.desk.user), c.appointment.id, reason=None),
    "cancelling one of two in a slot": cancel_one_of_two_in_a_slot,
    "statistics of some days": lambda c: c.get("/appointments/stats?startDate=2025-02-01&endDate=2025-02-28"),
    "a doctor's statistics of some days": lambda c: c.get(
        "/appointments/stats?startDate=2025-02-01", factories.sign_in(c.app, c.doctor)
    ),
    "one appointment of a doctor": lambda c: c.get(
        f"/appointments/{c.appointment.id}", factories.sign_in(c.app, c.doctor)
    ),
    "a doctor's own patient": lambda c: c.get(f"/users/{c.patient.user.id}", factories.sign_in(c.app, c.doctor)),
    "the outbox sweeper": lambda _: notifications.sweep(),
    "the fallback to another channel": lambda _: receipts.send_fallbacks(),
    "failed messages": lambda c: c.as_admin("/admin/messages"),
    "failed messages of a channel": lambda c: c.as_admin("/admin/messages?channel=sms&kind=code"),
    "sent messages": lambda c: c.as_admin("/admin/messages?state=sent&page=2"),
    "my messages": lambda c: c.get("/notifications", c.patient),
    "the messages of an appointment": lambda c: c.get(f"/appointments/{c.appointment.id}/messages"),
    "push tokens of a user": lambda c: sessions.push_tokens(c.patient.user.id),
    "users with push tokens": lambda c: sessions.with_push_tokens([c.patient.user.id, ObjectId()]),
    "storing a push token": lambda c: sessions.store_push_token(c.patient.session_id, "a-token-of-the-tests"),
    "sending a message": lambda c: notifications.send(Notification.objects(subject=c.appointment.id).first().id),
    "recording a payment and its correction": pay_and_correct,
    "the payments of an appointment": lambda c: c.get(f"/appointments/{c.appointment.id}/payments", c.patient),
    "the cash report of a day": lambda c: c.get("/payments?date=2026-12-01"),
    "my access log": lambda c: c.get("/users/profile/access-log", c.patient),
    "my export": lambda c: c.get_file("/users/profile/export", c.patient),
    "the audit trail": lambda c: c.audited(""),
    "the audit trail of a person": lambda c: c.audited(f"subjectId={c.patient.user.id}"),
    "the audit trail of a record": lambda c: c.audited(f"recordId={c.appointment.id}"),
    "the audit trail of an actor": lambda c: c.audited(f"actorId={c.desk.user.id}"),
    "one appointment with its files": lambda c: c.get(f"/appointments/{c.appointment.id}"),
    "a file": lambda c: c.fetch(factories.make_file(c.appointment, c.patient.user)),
    "deleting a file": lambda c: c.delete(factories.make_file(c.appointment, c.patient.user)),
    "uploading a file": upload_a_file,
    "the sweeper of pending scans": lambda _: sweep_scans(),
    "the purge of files": lambda _: purging.purge(),
    "erasing expired medical records": lambda _: erasure.erase_expired_records(),
    "my devices": lambda c: c.get("/auth/sessions", c.patient),
    "signing out": lambda c: sessions.end_session(
        factories.actor_of(c.desk.user), factories.sign_in(c.app, c.desk.user).session_id
    ),
    "signing out everywhere": lambda c: sessions.end_all_sessions(factories.actor_of(c.doctor), c.doctor.id),
    "rejecting unconfirmed appointments": lambda _: transitions.reject_unconfirmed(),
    "marking no-shows": lambda _: transitions.mark_no_shows(),
    "one doctor's slots": lambda c: scheduling.sync_doctor(c.doctor.id),
    "the slots of several doctors": lambda c: scheduling.sync_doctors([c.doctor.id, factories.make_doctor().id]),
    "deactivating a doctor": lambda _: staff.set_active(
        factories.actor_of(factories.make_user(Role.ADMIN)), factories.make_doctor().id, is_active=False
    ),
    "requesting a code": lambda c: c.number_with_a_code(),
    "requesting a code too soon": lambda c: factories.request_code(c.app.test_client(), c.number_with_a_code()),
    "sending a code": send_a_code,
    "signing in with a code": sign_in_with_a_code,
    "signing in with a wrong code": lambda c: fail(c.app.test_client(), 1, c.number_with_a_code()),
    "the sweeper of unsent codes": lambda _: otp.sweep(),
}


@pytest.mark.parametrize("name", FREQUENT)
def test_a_frequent_query_uses_an_index_and_does_not_sort_in_memory(clinic: Clinic, name: str) -> None:
    with profiled(get_db()) as operations:
        FREQUENT[name](clinic)

    assert operations
    assert inefficient(operations, get_db()) == []


def test_a_doctors_own_patients_are_read_from_an_index_alone(clinic: Clinic) -> None:
    with profiled(get_db()) as operations:
        found = own_patients(clinic.doctor.id)

    assert clinic.patient.user.id in found
    [plan] = operations
    assert plan["planSummary"] == "DISTINCT_SCAN { doctor: 1, status: 1, dependent: 1, patient: 1 }"
    assert plan["docsExamined"] == 0


def test_a_booking_without_files_does_not_query_files(clinic: Clinic) -> None:
    del clinic  # it fills the database
    patient, request = factories.make_user(), factories.make_booking_details(factories.make_doctor())
    with profiled(get_db()) as operations:
        booking.book(factories.actor_of(patient), request)

    assert operations
    assert [one for one in operations if one["ns"].endswith(".files")] == []
