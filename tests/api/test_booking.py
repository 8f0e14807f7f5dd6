"""Booking over HTTP."""

from flask import Flask
from flask.testing import FlaskClient

from tests import factories


def test_a_taken_slot_is_refused_with_the_three_nearest_free_ones(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor()
    factories.make_visit(doctor=doctor, time="10:00")
    body = factories.booking_body(doctor, appointmentTime="10:00")

    answer = client.post("/api/appointments/book", json=body, headers=factories.sign_in(app).headers)

    assert answer.status_code == 400
    error = answer.json["error"]
    assert error["code"] == "SLOT_UNAVAILABLE"
    assert [one["appointmentTime"] for one in error["alternatives"]] == ["10:30", "09:30", "11:00"]
