"""The queries that are asked all day use an index and sort nothing in memory, by MongoDB's own record of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from mongoengine.connection import get_db
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import SlotUnavailable, Status
from arthomed.appointments.service import booking, staff, transitions
from arthomed.auth.service import otp, sessions
from arthomed.auth.models import Otp
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.files.records import cabinet
from arthomed.files.records import use as use_cabinet
from arthomed.files.service import purging, scanning
from arthomed.infra.clamav import ClamAV
from arthomed.notifications import fallback
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.privacy.service import erasure
from arthomed.scheduling import service as scheduling
from arthomed.users.models import User
from tests import factories
from tests.api import files
from tests.factories import SignedIn
from tests.migrations import records
from tests.migrations.plans import poor, recorded
from tests.api.auth.sign_in import fail

Records = Database[dict[str, Any]]
MANY = 240


@dataclass
class Clinic:
    """Enough of everything that a bad plan would cost more than a good one."""

    app: Flask
    doctor: User
    visit: Appointment
    patient: SignedIn
    desk: SignedIn

    def number_with_a_code(self) -> str:
        mobile = factories.new_mobile()
        factories.told(factories.ask_for_code(self.app.test_client(), mobile))
        return mobile

    def get(self, path: str, who: SignedIn | None = None) -> None:
        caller = who or self.desk
        factories.told(self.app.test_client().get(f"/api{path}", headers=caller.headers))

    def get_file(self, path: str, who: SignedIn) -> None:
        assert self.app.test_client().get(f"/api{path}", headers=who.headers).mimetype == "application/json"

    def fetch(self, filename: str) -> None:
        assert files.fetch(self.app.test_client(), self.patient, f"/api/files/{filename}").status_code == 200

    def delete(self, filename: str) -> None:
        factories.told(self.app.test_client().delete(f"/api/files/{filename}", headers=self.patient.headers))

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
    """One for all queries: each of them finds enough to do, whatever the others did before."""
    database: Records = get_db()
    doctor, other_doctor = (factories.make_doctor(factories.every_day("09:00", "11:00")) for _ in range(2))
    for _ in range(20):
        factories.make_doctor([])
    patient, other_patient = factories.sign_in(app), factories.make_user()
    visit = factories.make_visit(patient.user, doctor)
    template = database.appointments.find_one({"_id": visit.id})
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
    cabinet().storage.prepare()
    database.files.insert_many([records.file(owner=patient.user.id) for _ in range(MANY)])
    database.sessions.insert_many(
        [records.session(user=other_patient.id, pushToken=str(ObjectId())) for _ in range(MANY)]
    )
    return Clinic(app, doctor, visit, patient, factories.sign_in(app, factories.make_user(Role.RECEPTIONIST)))


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
    factories.make_visit(doctor=clinic.doctor, time="10:00")
    with pytest.raises(SlotUnavailable):
        factories.make_visit(doctor=clinic.doctor, time="10:00")


def tell_a_code(clinic: Clinic) -> None:
    otp.deliver(Otp.objects.get(mobile_number=clinic.number_with_a_code()).issue)


def sign_in_with_a_code(clinic: Clinic) -> None:
    mobile = clinic.number_with_a_code()
    factories.told(factories.answer_with(clinic.app.test_client(), mobile, factories.code_for(mobile)))


def sweep_scans() -> None:
    before = cabinet()
    use_cabinet(replace(before, scanner=ClamAV("tcp://127.0.0.1:1")))
    scanning.sweep()
    use_cabinet(before)


def upload_a_file(clinic: Clinic) -> None:
    patient = factories.sign_in(clinic.app)
    visit = factories.make_visit(patient.user, clinic.doctor, time="10:30")
    files.uploaded(clinic.app.test_client(), patient, visit.id)


def a_month() -> str:
    first = factories.tomorrow()
    return f"from={first}&to={first + timedelta(days=30)}"


HOT: dict[str, Callable[[Clinic], object]] = {
    "slots of a day": lambda c: c.get(f"/appointments/slots?doctorId={c.doctor.id}&date={factories.tomorrow()}"),
    "availability": lambda c: c.get(f"/users/doctors/{c.doctor.id}/availability?{a_month()}"),
    "doctors": lambda c: c.get("/users/doctors"),
    "doctors of a specialization": lambda c: c.get("/users/doctors?specialization=Cardiology"),
    "my visits": lambda c: c.mine(),
    "my second page": lambda c: c.mine("page=2"),
    "my coming visits": lambda c: c.mine("when=upcoming"),
    "my visits of a status": lambda c: c.mine("status=completed"),
    "my past visits of a status": lambda c: c.mine("status=completed&when=past"),
    "all visits": lambda c: c.get("/appointments"),
    "visits of a status": lambda c: c.get("/appointments?status=confirmed"),
    "visits of some days": lambda c: c.get("/appointments?startDate=2025-02-01&endDate=2025-02-28"),
    "visits of a doctor": lambda c: c.get(f"/appointments?doctorId={c.doctor.id}"),
    "visits of a patient": lambda c: c.get(f"/appointments?patientId={c.patient.user.id}"),
    "coming visits": lambda c: c.get("/appointments?when=upcoming"),
    "a doctor's own visits": lambda c: c.listed_for_the_doctor(),
    "a doctor's own visits of a status": lambda c: c.listed_for_the_doctor("status=confirmed"),
    "what waits for the desk": lambda c: c.get("/appointments/pending"),
    "one visit": lambda c: c.get(f"/appointments/{c.visit.id}"),
    "booking": lambda c: factories.make_visit(doctor=c.doctor, time="09:30"),
    "booking what is taken": book_a_taken_slot,
    "cancelling": lambda c: transitions.cancel(factories.acting(c.desk.user), c.visit.id, reason=None),
    "the sweep of the outbox": lambda _: notifications.sweep(),
    "another way for what did not arrive": lambda _: fallback.take_over(),
    "messages that failed": lambda c: c.as_admin("/admin/messages"),
    "messages that failed of a channel": lambda c: c.as_admin("/admin/messages?channel=sms&kind=code"),
    "messages that were sent": lambda c: c.as_admin("/admin/messages?state=sent&page=2"),
    "tokens of a person's devices": lambda c: sessions.push_tokens(c.patient.user.id),
    "people whose devices have tokens": lambda c: sessions.with_push_tokens([c.patient.user.id, ObjectId()]),
    "giving a token": lambda c: sessions.store_push_token(c.patient.session_id, "a-token-of-the-tests"),
    "sending a message": lambda c: notifications.send(Notification.objects(subject=c.visit.id).first().id),
    "my access log": lambda c: c.get("/users/profile/access-log", c.patient),
    "my export": lambda c: c.get_file("/users/profile/export", c.patient),
    "the audit trail": lambda c: c.audited(""),
    "the audit trail of a person": lambda c: c.audited(f"subjectId={c.patient.user.id}"),
    "the audit trail of a record": lambda c: c.audited(f"recordId={c.visit.id}"),
    "the audit trail of an actor": lambda c: c.audited(f"actorId={c.desk.user.id}"),
    "one visit with its files": lambda c: c.get(f"/appointments/{c.visit.id}"),
    "a file": lambda c: c.fetch(factories.make_file(c.visit, c.patient.user)),
    "deleting a file": lambda c: c.delete(factories.make_file(c.visit, c.patient.user)),
    "uploading": upload_a_file,
    "the scans that were left": lambda _: sweep_scans(),
    "the purge of files": lambda _: purging.purge(),
    "who is due to be forgotten": lambda _: erasure.finish(),
    "my devices": lambda c: c.get("/auth/sessions", c.patient),
    "signing out": lambda c: sessions.end_session(
        factories.acting(c.desk.user), factories.sign_in(c.app, c.desk.user).session_id
    ),
    "signing out everywhere": lambda c: sessions.end_all_sessions(factories.acting(c.doctor), c.doctor.id),
    "what nobody confirmed": lambda _: transitions.reject_unconfirmed(),
    "who did not come": lambda _: transitions.mark_no_shows(),
    "one doctor's slots": lambda c: scheduling.sync_doctor(c.doctor.id),
    "the slots of several doctors": lambda c: scheduling.sync_doctors([c.doctor.id, factories.make_doctor().id]),
    "switching a doctor off": lambda _: staff.set_active(
        factories.acting(factories.make_user(Role.ADMIN)), factories.make_doctor().id, is_active=False
    ),
    "asking for a code": lambda c: c.number_with_a_code(),
    "asking for a code too soon": lambda c: factories.ask_for_code(c.app.test_client(), c.number_with_a_code()),
    "telling a code": tell_a_code,
    "answering with a code": sign_in_with_a_code,
    "answering with a wrong code": lambda c: fail(c.app.test_client(), 1, c.number_with_a_code()),
    "codes that nobody was told of": lambda _: otp.sweep(),
}


@pytest.mark.parametrize("name", HOT)
def test_a_hot_query_uses_an_index_and_sorts_nothing_in_memory(clinic: Clinic, name: str) -> None:
    with recorded(get_db()) as asked:
        HOT[name](clinic)

    assert asked
    assert poor(asked, get_db()) == []


def test_a_booking_without_files_asks_nothing_about_files(clinic: Clinic) -> None:
    del clinic  # which fills the database
    patient, wish = factories.make_user(), factories.make_details(factories.make_doctor())
    with recorded(get_db()) as asked:
        booking.book(factories.acting(patient), wish)

    assert asked
    assert [one for one in asked if one["ns"].endswith(".files")] == []
