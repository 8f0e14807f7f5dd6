"""The reception books for patients, known or new (`POST /api/appointments/manual`)."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import consistency
from arthomed.audit import service as audit
from arthomed.core.permissions import Role
from arthomed.users import service as users
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, alternatives, book, is_nothing_stored
from tests.api.appointments.clinic import sign_in_staff
from tests.api.appointments.desk import Body, book_at_desk, by_id, by_number, post_manual
from tests.factories import Records, SignedIn, data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.fixture
def desk(app: Flask, database: Records) -> SignedIn:
    del database  # it is emptied first
    return sign_in_staff(app)


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.ADMIN])
def test_staff_book_a_confirmed_appointment_for_a_patient(app: Flask, database: Records, role: Role) -> None:
    doctor, patient, caller = factories.make_doctor(MORNING), factories.make_user(), sign_in_staff(app, role)

    appointment = data_of(book_at_desk(app, caller, by_id(patient), doctor), 201)["appointment"]

    assert appointment["patient"]["_id"] == str(patient.id)
    assert (appointment["status"], appointment["source"]) == ("confirmed", "desk")
    assert (appointment["createdBy"], appointment["reason"]) == (str(caller.user.id), "Headache")
    [change] = appointment["history"]
    assert (change["from"], change["to"], change["by"]) == (None, "confirmed", str(caller.user.id))
    assert "queue" not in appointment
    [slot] = database.slots.find({"bookedPatients": 1})
    assert (slot["startTime"], str(slot["appointment"])) == ("09:00", appointment["_id"])
    assert list(consistency.violations()) == []


def test_patient_created_by_a_booking_comes_with_others_who_may_be_the_same_person(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(MORNING)
    twin = factories.make_user(name="Aasha Varma", mobile_number="7000043210")

    first = data_of(book_at_desk(app, desk, by_number("9876543210", "Asha Verma"), doctor), 201)
    other, later = factories.make_doctor(MORNING), {"appointmentTime": "09:30"}
    known = data_of(book_at_desk(app, desk, by_number("9876543210", "Asha Verma"), other, **later), 201)

    assert [one["_id"] for one in first["possibleDuplicates"]] == [str(twin.id)]
    assert known["possibleDuplicates"] == []


def test_patient_gets_the_confirmation_and_no_acknowledgement(app: Flask, desk: SignedIn, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user(email="asha@example.com")

    data_of(book_at_desk(app, desk, by_id(patient), doctor), 201)

    messages = list(database.notifications.find())
    assert {one["kind"] for one in messages} == {"appointment-confirmed"}
    assert sorted(one["channel"] for one in messages) == ["email", "sms"]
    assert {one["user"] for one in messages} == {patient.id}


def test_patient_sees_a_booking_of_the_desk_and_its_source(app: Flask, client: FlaskClient, desk: SignedIn) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    own_list = "/api/appointments/my-appointments"
    assert data_of(client.get(own_list, headers=patient.headers))["items"] == []

    booked = data_of(book_at_desk(app, desk, by_id(patient.user), doctor), 201)["appointment"]

    [listed] = data_of(client.get(own_list, headers=patient.headers))["items"]
    assert (listed["_id"], listed["source"]) == (booked["_id"], "desk")


def test_reason_and_purpose_are_optional(app: Flask, desk: SignedIn) -> None:
    body = {**by_number(), **factories.booking_body(factories.make_doctor(MORNING)), "reason": " "}

    appointment = data_of(post_manual(app, desk, **body), 201)["appointment"]

    assert (appointment["purposeOfVisit"], appointment["reason"]) == ("consultation", None)


def test_unknown_number_becomes_a_patient_who_signs_in_later(app: Flask, client: FlaskClient, desk: SignedIn) -> None:
    mobile = factories.new_mobile()
    booked = data_of(
        book_at_desk(app, desk, by_number(mobile, "Sunita O\u2019Neil"), factories.make_doctor(MORNING)), 201
    )

    patient = users.find_by_mobile(mobile)
    assert patient is not None
    assert (patient.name, patient.role, patient.is_verified) == ("Sunita O'Neil", Role.PATIENT, False)
    assert (str(patient.id), patient.bookings_count) == (booked["appointment"]["patient"]["_id"], 1)
    factories.request_code(client, mobile)
    tokens = data_of(factories.submit_code(client, mobile, factories.code_for(mobile)))["tokens"]
    headers = {"Authorization": f"Bearer {tokens['accessToken']}"}
    [listed] = data_of(client.get("/api/appointments/my-appointments", headers=headers))["items"]
    assert listed["_id"] == booked["appointment"]["_id"]


def test_known_patient_is_found_by_the_number_as_written_and_keeps_the_name(app: Flask, desk: SignedIn) -> None:
    patient = factories.make_user(name="Asha Verma")
    written = f"+91 {patient.mobile_number[:5]}-{patient.mobile_number[5:]}"

    booked = data_of(book_at_desk(app, desk, by_number(written, "Someone Else"), factories.make_doctor(MORNING)), 201)

    assert booked["appointment"]["patient"]["_id"] == str(patient.id)
    assert booked["appointment"]["patient"]["name"] == "Asha Verma"


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN])
def test_staff_may_be_the_patient(app: Flask, desk: SignedIn, role: Role) -> None:
    colleague = factories.make_doctor(MORNING) if role is Role.DOCTOR else factories.make_user(role)

    booked = data_of(book_at_desk(app, desk, by_number(colleague.mobile_number), factories.make_doctor(MORNING)), 201)

    assert booked["appointment"]["patient"]["_id"] == str(colleague.id)
    assert users.get(colleague.id).role is role


@pytest.mark.parametrize("patient", [by_id, lambda doctor: by_number(doctor.mobile_number)], ids=["id", "number"])
def test_doctor_is_not_the_patient_of_the_own_appointment(app: Flask, desk: SignedIn, patient: Any) -> None:
    doctor = factories.make_doctor(MORNING)

    assert factories.invalid_fields(book_at_desk(app, desk, patient(doctor), doctor)) == ["doctorId"]


def test_deactivated_patient_is_not_found(app: Flask, desk: SignedIn, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user()
    database.users.update_one({"_id": patient.id}, {"$set": {"isActive": False}})

    for body in (by_id(patient), by_number(patient.mobile_number)):
        assert error_of(book_at_desk(app, desk, body, doctor)) == (404, "NOT_FOUND")
    assert is_nothing_stored(database)


def test_unknown_patient_or_doctor_is_not_found(app: Flask, desk: SignedIn, database: Records) -> None:
    doctor, mobile = factories.make_doctor(MORNING), factories.new_mobile()

    unknown_patient = book_at_desk(app, desk, {"patientId": str(factories.UNKNOWN_ID)}, doctor)
    unknown_doctor = book_at_desk(app, desk, by_number(mobile), doctor, doctorId=str(factories.UNKNOWN_ID))

    assert (error_of(unknown_patient), error_of(unknown_doctor)) == ((404, "NOT_FOUND"), (404, "NOT_FOUND"))
    assert users.find_by_mobile(mobile) is None
    assert is_nothing_stored(database)


def test_refused_booking_of_an_unknown_number_stores_no_patient(app: Flask, desk: SignedIn) -> None:
    doctor, mobile = factories.make_doctor(MORNING), factories.new_mobile()
    factories.make_appointment(doctor=doctor)

    refused = book_at_desk(app, desk, by_number(mobile), doctor)

    assert error_of(refused) == (400, "SLOT_UNAVAILABLE")
    assert alternatives(refused) == ["2026-12-01 09:30", "2026-12-01 10:00", "2026-12-01 10:30"]
    assert users.find_by_mobile(mobile) is None


def test_desk_books_beyond_the_limit_of_open_appointments(app: Flask, desk: SignedIn) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    for ahead in range(10):
        factories.make_appointment(patient.user, doctor, day=TUESDAY + timedelta(days=ahead))
    day = (TUESDAY + timedelta(days=10)).isoformat()
    assert error_of(book(app, patient, doctor, appointmentDate=day)) == (400, "BOOKING_LIMIT_REACHED")

    data_of(book_at_desk(app, desk, by_id(patient.user), doctor, appointmentDate=day), 201)


def test_patient_has_one_appointment_per_doctor_and_day_at_the_desk_too(app: Flask, desk: SignedIn) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user()
    factories.make_appointment(patient, doctor)

    refused = book_at_desk(app, desk, by_id(patient), doctor, appointmentTime="10:00")

    assert error_of(refused) == (400, "DUPLICATE_VALUE")
    body: Any = refused.json
    assert body["message"] == "The patient already has an appointment with this doctor on that day"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"patientId": str(factories.UNKNOWN_ID)}, ["mobileNumber", "name"]),
        ({"mobileNumber": None}, ["mobileNumber"]),
        ({"name": " "}, ["name"]),
        ({"mobileNumber": None, "name": None}, ["mobileNumber", "name"]),
        ({"mobileNumber": "12345"}, ["mobileNumber"]),
        ({"appointmentTime": None}, ["appointmentTime"]),
        ({"appointmentDate": None, "appointmentTime": None}, ["appointmentDate", "appointmentTime"]),
        ({"isWalkIn": True}, ["appointmentDate", "appointmentTime"]),
        ({"isWalkIn": True, "appointmentTime": None}, ["appointmentDate"]),
        ({"isWalkIn": "yes"}, ["isWalkIn"]),
        ({"symptoms": "Cough"}, ["symptoms"]),
        ({"status": "completed"}, ["status"]),
    ],
    ids=str,
)
def test_incomplete_or_contradictory_request_names_its_fields(
    app: Flask, desk: SignedIn, change: Body, wrong: list[str]
) -> None:
    body = {**by_number(), **factories.booking_body(factories.make_doctor(MORNING)), **change}

    assert sorted(factories.invalid_fields(post_manual(app, desk, **body))) == wrong


def test_repeated_request_with_its_key_returns_the_same_appointment(
    app: Flask, desk: SignedIn, database: Records
) -> None:
    doctor, patient = factories.make_doctor(MORNING), by_number()

    responses = [book_at_desk(app, desk, patient, doctor, "a-key-of-the-desk") for _ in range(3)]

    assert len({data_of(one, 201)["appointment"]["_id"] for one in responses}) == 1
    assert database.appointments.count_documents({}) == database.notifications.count_documents({}) == 1


@pytest.mark.parametrize("other", [{"name": "Ravi Kumar"}, {"appointmentTime": "10:00"}, {"reason": "Fever"}], ids=str)
def test_key_of_another_request_is_refused(app: Flask, desk: SignedIn, other: Body) -> None:
    body = {**by_number(), **factories.booking_body(factories.make_doctor(MORNING))}
    data_of(post_manual(app, desk, "a-key-of-the-desk", **body), 201)

    assert error_of(post_manual(app, desk, "a-key-of-the-desk", **{**body, **other})) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_key_of_an_own_booking_is_refused_for_a_patient(app: Flask, desk: SignedIn) -> None:
    doctor = factories.make_doctor(MORNING)
    data_of(book(app, desk, doctor, "a-key-of-the-desk"), 201)

    refused = book_at_desk(app, desk, by_id(desk.user), doctor, "a-key-of-the-desk")

    assert error_of(refused) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_parallel_requests_with_one_key_make_one_patient_and_one_appointment(
    app: Flask, desk: SignedIn, database: Records
) -> None:
    doctor, patient = factories.make_doctor(MORNING), by_number()

    responses = factories.in_parallel(6, lambda _: book_at_desk(app, desk, patient, doctor, "a-key-of-the-desk"))

    appointments = [data_of(one, 201)["appointment"] for one in responses]
    assert appointments == [appointments[0]] * 6
    assert database.users.count_documents({"mobileNumber": patient["mobileNumber"]}) == 1
    assert list(consistency.violations()) == []


def test_parallel_bookings_of_an_unknown_number_with_several_doctors_make_one_patient(
    app: Flask, desk: SignedIn, database: Records
) -> None:
    doctors, patient = [factories.make_doctor(MORNING) for _ in range(4)], by_number()

    responses = factories.in_parallel(
        4,
        lambda at: book_at_desk(app, desk, patient, doctors[at], appointmentTime=f"{9 + at // 2:02}:{at % 2 * 30:02}"),
    )

    assert len({data_of(one, 201)["appointment"]["patient"]["_id"] for one in responses}) == 1
    [stored] = database.users.find({"mobileNumber": patient["mobileNumber"]})
    assert stored["visitsBooked"] == 4
    assert list(consistency.violations()) == []


def test_booking_and_the_search_by_number_are_in_the_audit_trail(app: Flask, desk: SignedIn, database: Records) -> None:
    patient = factories.make_user()

    booked = data_of(book_at_desk(app, desk, by_number(patient.mobile_number), factories.make_doctor(MORNING)), 201)[
        "appointment"
    ]

    audit.flush()
    created, searched = (
        database.audit_events.find_one({"actor": desk.user.id, "action": action}) for action in ("create", "search")
    )
    assert created
    assert searched
    assert ([str(one) for one in created["records"]], created["subjects"]) == ([booked["_id"]], [patient.id])
    assert searched["search"] == {"filters": {"mobileNumber": patient.mobile_number}, "found": 1}


def test_creation_of_the_patient_is_in_the_audit_trail(app: Flask, desk: SignedIn, database: Records) -> None:
    booked = data_of(book_at_desk(app, desk, by_number(), factories.make_doctor(MORNING)), 201)["appointment"]

    created = {"kind": "user", "action": "create", "subjects": ObjectId(booked["patient"]["_id"])}
    assert database.audit_events.distinct("actor", created) == [desk.user.id]
