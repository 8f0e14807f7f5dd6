"""What hot routes dump by themselves is what marshmallow dumps by the shape, and only for those who may ask."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_db

from arthomed.appointments.models import Appointment
from arthomed.appointments.schemas import AppointmentOut
from arthomed.appointments.service import transitions
from arthomed.auth import service as auth
from arthomed.core.permissions import Role
from arthomed.scheduling.models import Slot
from arthomed.scheduling.schemas import SlotOut
from arthomed.users.models import User
from arthomed.users.schemas import DoctorOut, UserOut
from tests import factories
from tests.factories import SignedIn, told


@pytest.fixture
def asha(client: FlaskClient, app: Flask) -> SignedIn:
    return factories.sign_in(app)


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    return factories.make_doctor()


def get(client: FlaskClient, path: str, who: SignedIn) -> Any:
    return told(client.get(f"/api{path}", headers=who.headers))


def test_doctors(client: FlaskClient, asha: SignedIn, doctor: User) -> None:
    without_hours = factories.make_doctor([], name="Dr Anew")

    assert get(client, "/users/doctors", asha)["items"] == DoctorOut(many=True).dump([without_hours, doctor])


def test_slots_of_a_day(client: FlaskClient, asha: SignedIn, doctor: User) -> None:
    factories.make_visit(doctor=doctor, time="10:00")
    day = factories.tomorrow()
    slots: list[Slot] = factories.slots_of(doctor, day)

    found = get(client, f"/appointments/slots?doctorId={doctor.id}&date={day}", asha)

    assert found == {
        "doctor": DoctorOut().dump(doctor),
        "date": day.isoformat(),
        "availableSlots": SlotOut(many=True).dump([slot for slot in slots if slot.is_available]),
        "bookedSlots": SlotOut(many=True).dump([slot for slot in slots if not slot.is_available]),
    }


def test_own_visits(client: FlaskClient, asha: SignedIn, doctor: User) -> None:
    cancelled = factories.make_visit(asha.user, doctor, time="09:00", symptoms="Worse in the evening")
    transitions.cancel(factories.acting(asha.user), cancelled.id, reason=None)
    with_file = factories.make_visit(asha.user, doctor, time="10:00")
    factories.make_file(with_file, asha.user)
    visits = Appointment.with_people(list(Appointment.objects.order_by("-starts_at")))

    found = get(client, "/appointments/my-appointments", asha)["items"]

    assert found == AppointmentOut(many=True).dump(visits)
    assert [len(one["images"]) for one in found] == [1, 0]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"$set": {"avatar": "user_1_2_avatar_3.jpg", "email": "asha@example.com"}},
        {"$set": {"doctorInfo": {"specialization": "of an earlier role"}, "patientInfo": {"bloodGroup": "B+"}}},
        {"$unset": {"profile.language": "", "email": ""}},
        {"$unset": {"profile": ""}},
        {"$set": {"avatar": "", "profile.address": {}, "profile.emergencyContact": {}}},
        {"$set": {"doctorInfo": {"schedule": [{"day": "monday", "startTime": "09:00", "endTime": "10:00"}]}}},
    ],
    ids=["as made", "picture", "parts of other roles", "older", "without a profile", "hollow", "hours by hand"],
)
def test_who_signs_in(client: FlaskClient, role: Role, stored: dict[str, Any]) -> None:
    user = factories.make_doctor() if role is Role.DOCTOR else factories.make_user(role)
    if stored:
        User.collection().update_one({"_id": user.id}, stored)
    factories.told(factories.ask_for_code(client, user.mobile_number))

    answer = told(factories.answer_with(client, user.mobile_number, factories.code_for(user.mobile_number)))

    assert answer["user"] == UserOut().dump(User.objects.get(id=user.id))


@pytest.mark.parametrize("path", ["/users/doctors", "/appointments/slots", "/appointments/my-appointments"])
def test_the_envelope_is_that_of_every_answer(client: FlaskClient, asha: SignedIn, doctor: User, path: str) -> None:
    query = f"?doctorId={doctor.id}&date={factories.tomorrow()}" if path == "/appointments/slots" else ""
    for _ in range(2):  # read, and from a copy
        envelope = factories.envelope_of(client.get(f"/api{path}{query}", headers=asha.headers))

        assert list(envelope) == ["success", "message", "data", "timestamp"]
        assert datetime.strptime(envelope["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").tzinfo is UTC


@pytest.mark.parametrize("path", ["/users/doctors", "/appointments/slots?doctorId=x", "/appointments/my-appointments"])
def test_an_ended_session_is_told_so_before_anything_else(client: FlaskClient, asha: SignedIn, path: str) -> None:
    auth.end_session(auth.find_actor(asha.user.id, asha.session_id, [])[0], asha.session_id)

    answer = client.get(f"/api{path}", headers=asha.headers)

    assert factories.refused(answer) == (401, "SESSION_REVOKED")


def test_without_a_session_nothing_is_looked_up(client: FlaskClient, asha: SignedIn, doctor: User) -> None:
    database = get_db()
    auth.end_session(auth.find_actor(asha.user.id, asha.session_id, [])[0], asha.session_id)
    database.command("profile", 2)
    try:
        client.get(f"/api/appointments/slots?doctorId={doctor.id}&date={factories.tomorrow()}", headers=asha.headers)
        [asked] = database["system.profile"].find({"command.aggregate": "sessions"})
    finally:
        database.command("profile", 0)
        database["system.profile"].drop()

    assert (asked["nreturned"], asked["docsExamined"]) == (0, 0)
