"""Texts, blank fields and numbers of bookings as people and their apps send them."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.bookings import MORNING, book
from tests.factories import Records, SignedIn, data_of, invalid_fields

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.mark.parametrize("blank", [None, "", "  ", "\u200b\u00a0", "\n"])
@pytest.mark.parametrize(("name", "default"), [("symptoms", None), ("purposeOfVisit", "consultation")])
def test_a_blank_optional_field_of_a_booking_is_absent(
    app: Flask, name: str, blank: str | None, default: str | None
) -> None:
    response = book(app, factories.sign_in(app), factories.make_doctor(MORNING), **{name: blank})

    assert data_of(response, 201)["appointment"][name] == default


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Headache\u000bFever", "Headache\nFever"),
        ("Headache\u2028Fever\u2029Cough", "Headache\nFever\nCough"),
        ("Head\u00adache\u200b \U0001fa77", "Headache \U0001fa77"),
        ("\u202aसिर दर्द\u202c", "सिर दर्द"),
        ("It\u2019s my \u201cbad\u201d knee", "It\u2019s my \u201cbad\u201d knee"),
    ],
)
def test_free_text_is_stored_as_a_person_sees_it(app: Flask, typed: str, stored: str) -> None:
    response = book(app, factories.sign_in(app), factories.make_doctor(MORNING), reason=typed, symptoms=typed)

    appointment = data_of(response, 201)["appointment"]
    assert (appointment["reason"], appointment["symptoms"]) == (stored, stored)


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\n"])
def test_a_blank_reason_is_refused(app: Flask, blank: str) -> None:
    response = book(app, factories.sign_in(app), factories.make_doctor(MORNING), reason=blank)

    assert invalid_fields(response) == ["reason"]


@pytest.mark.parametrize(
    "query", ["status=&startDate=", "endDate=&when=&limit=&page=", "status=%20&startDate=%E2%80%8B"]
)
def test_a_blank_filter_is_absent(app: Flask, query: str) -> None:
    patient = factories.sign_in(app)
    factories.make_appointment(patient.user)

    for person, path in (
        (patient, "/api/appointments/my-appointments"),
        (factories.sign_in(app, factories.make_user(Role.ADMIN)), "/api/appointments"),
    ):
        answer = app.test_client().get(f"{path}?{query}", headers=person.headers)
        assert len(data_of(answer)["items"]) == 1


def test_dates_of_a_booking_may_have_devanagari_digits(app: Flask) -> None:
    response = book(
        app,
        factories.sign_in(app),
        factories.make_doctor(MORNING),
        appointmentDate="२०२६-१२-०१",
        appointmentTime="०९:३०",
    )

    booked = data_of(response, 201)["appointment"]
    assert (booked["appointmentDate"], booked["appointmentTime"]) == ("2026-12-01", "09:30")


@pytest.mark.parametrize("blank", ["", " \n", None])
def test_a_blank_text_clears_an_optional_field_of_an_appointment(app: Flask, blank: str | None) -> None:
    patient = factories.sign_in(app)
    appointment = factories.make_appointment(patient.user, symptoms="Worse in the evening")
    path = f"/api/appointments/{appointment.id}"

    edited = app.test_client().put(path, json={"symptoms": blank}, headers=patient.headers)

    assert data_of(edited)["appointment"]["symptoms"] is None
    assert invalid_fields(app.test_client().put(path, json={"reason": blank}, headers=patient.headers)) == ["reason"]


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": None}, {"reason": " "}])
def test_a_cancellation_with_a_blank_reason_has_none(app: Flask, body: dict[str, Any]) -> None:
    patient = factories.sign_in(app)
    path = f"/api/appointments/{factories.make_appointment(patient.user).id}/cancel"

    cancelled = data_of(app.test_client().put(path, json=body, headers=patient.headers))["appointment"]

    assert cancelled["cancellation"]["reason"] is None


class TestWholeNumbers:
    @pytest.fixture
    def doctor_body(self) -> dict[str, Any]:
        return {"mobileNumber": factories.new_mobile(), "name": "Dr Rao", "role": "doctor"}

    @pytest.mark.parametrize(("fee", "stored"), [(500.0, 500), (0.0, 0), (500, 500)])
    def test_a_fee_without_a_fraction_is_a_whole_number(
        self,
        client: FlaskClient,
        admin: SignedIn,
        database: Records,
        doctor_body: dict[str, Any],
        fee: float,
        stored: int,
    ) -> None:
        body = {**doctor_body, "doctorInfo": {"consultationFee": fee}}

        user = data_of(client.post("/api/users", json=body, headers=admin.headers), 201)["user"]

        assert user["doctorInfo"]["consultationFee"] == stored
        found = database.users.find_one({"name": "Dr Rao"}) or {}
        assert isinstance(found["doctorInfo"]["consultationFee"], int)

    @pytest.mark.parametrize("fee", [500.5, "500", True, 1e300, -1.0])
    def test_another_fee_is_refused(
        self, client: FlaskClient, admin: SignedIn, doctor_body: dict[str, Any], fee: object
    ) -> None:
        body = {**doctor_body, "doctorInfo": {"consultationFee": fee}}

        response = client.post("/api/users", json=body, headers=admin.headers)

        assert invalid_fields(response) == ["doctorInfo.consultationFee"]

    @pytest.mark.parametrize(
        "blank", [{"email": ""}, {"email": None}, {"profile": None}, {"isVerified": None}, {"doctorInfo": None}]
    )
    def test_a_blank_optional_field_of_a_new_user_is_absent(
        self, client: FlaskClient, admin: SignedIn, doctor_body: dict[str, Any], blank: dict[str, Any]
    ) -> None:
        user = data_of(client.post("/api/users", json={**doctor_body, **blank}, headers=admin.headers), 201)["user"]

        assert (user["email"], user["isVerified"]) == (None, True)
