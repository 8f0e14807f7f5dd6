"""Ids in paths, queries and bodies: in either case; one that no record can have is not found."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from tests import factories
from tests.factories import SignedIn, booking_body, data_of, envelope_of, error_of, invalid_fields

MALFORMED = ["x", "abc", "0" * 23, "0" * 25, "g" * 24]


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))


@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_id_in_a_body_is_not_found(client: FlaskClient, person: SignedIn, malformed: str) -> None:
    body = {**booking_body(person.user), "doctorId": malformed}

    response = client.post("/api/appointments/book", json=body, headers=person.headers)

    assert error_of(response) == (404, "NOT_FOUND")
    assert envelope_of(response)["message"] == "Resource not found"


@pytest.mark.parametrize("malformed", ["x", "0" * 25])
@pytest.mark.parametrize(
    "path",
    [
        "/api/appointments?doctorId={}",
        "/api/appointments?patientId={}",
        "/api/appointments/slots?date=2026-12-01&doctorId={}",
    ],
)
def test_a_malformed_id_in_a_query_is_not_found(client: FlaskClient, desk: SignedIn, path: str, malformed: str) -> None:
    assert error_of(client.get(path.format(malformed), headers=desk.headers)) == (404, "NOT_FOUND")


def test_a_malformed_id_in_a_form_is_not_found(client: FlaskClient, person: SignedIn) -> None:
    form = {"appointmentId": "x", "category": "reports", "files": factories.picture()}

    response = client.post("/api/files/upload/appointments", data=form, headers=person.headers)

    assert error_of(response) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"doctorId": 5}, ["doctorId"]),
        ({"doctorId": ""}, ["doctorId"]),
        ({"doctorId": None}, ["doctorId"]),
        ({"doctorId": ["x"]}, ["doctorId"]),
        ({"doctorId": "x", "reason": ""}, ["doctorId", "reason"]),
        ({"doctorId": "x", "colour": "red"}, ["colour", "doctorId"]),
    ],
)
def test_an_invalid_request_is_refused_although_its_id_is_malformed(
    client: FlaskClient, person: SignedIn, change: dict[str, Any], fields: list[str]
) -> None:
    body = {**booking_body(person.user), **change}

    assert sorted(invalid_fields(client.post("/api/appointments/book", json=body, headers=person.headers))) == fields


def test_ids_are_read_in_either_case(client: FlaskClient, desk: SignedIn, person: SignedIn) -> None:
    doctor = factories.make_doctor()
    typed = {"doctorId": f"\u200b {str(doctor.id).upper()} "}

    booked = client.post("/api/appointments/book", json={**booking_body(doctor), **typed}, headers=person.headers)
    appointment_id = data_of(booked, 201)["appointment"]["_id"]

    path = f"/api/appointments/{appointment_id.upper()}"
    assert data_of(client.get(path, headers=person.headers))["appointment"]["_id"] == appointment_id
    [listed] = data_of(client.get("/api/appointments", query_string=typed, headers=desk.headers))["items"]
    assert listed["_id"] == appointment_id


def test_routes_with_ids_document_that_one_may_be_unknown(client: FlaskClient) -> None:
    paths = client.get("/api/openapi.json").get_json()["paths"]

    for path in ("/api/appointments", "/api/appointments/slots", "/api/admin/audit"):
        assert "404" in paths[path]["get"]["responses"], path
