"""The public profile of a doctor."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import data_of

MOBILE, EMAIL, REGISTRATION = "9876501234", "private@example.com", "MH-777"


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    """A doctor with public and private fields."""
    del client
    info = {"specialization": "Cardiology", "qualification": "MD", "registration_number": REGISTRATION}
    return factories.make_user(Role.DOCTOR, mobile_number=MOBILE, email=EMAIL, doctor_info=info)


def public_profile(app: Flask, client: FlaskClient, role: Role, doctor: User, where: str) -> dict[str, Any]:
    """Read the doctor's public profile as a user of a role, from the list or by id."""
    headers = factories.sign_in(app, factories.make_user(role)).headers
    if where == "list":
        items = data_of(client.get("/api/users/doctors", headers=headers))["items"]
        (found,) = [one for one in items if one["_id"] == str(doctor.id)]
    else:
        found = data_of(client.get(f"/api/users/doctors/{doctor.id}", headers=headers))["doctor"]
    return dict(found)


@pytest.mark.parametrize("where", ["list", "by id"])
@pytest.mark.parametrize("role", Role)
def test_doctor_has_exactly_these_public_fields(
    app: Flask, client: FlaskClient, doctor: User, role: Role, where: str
) -> None:
    found = public_profile(app, client, role, doctor, where)

    assert set(found) == {"_id", "name", "isActive", "doctorInfo"}
    assert set(found["doctorInfo"]) == {"specialization", "qualification", "experience", "consultationFee", "schedule"}


@pytest.mark.parametrize("path", ["/api/users/doctors", "/api/users/doctors/{}"])
def test_mobile_number_email_and_registration_number_are_not_public(
    app: Flask, client: FlaskClient, doctor: User, path: str
) -> None:
    answer = client.get(path.format(doctor.id), headers=factories.sign_in(app).headers)

    assert doctor.name in answer.text
    assert [one for one in (MOBILE, EMAIL, REGISTRATION) if one in answer.text] == []


def test_doctors_cannot_be_found_by_private_fields(app: Flask, client: FlaskClient, doctor: User) -> None:
    headers = factories.sign_in(app).headers

    def found(text: str) -> int:
        answer = client.get("/api/users/doctors", query_string={"search": text}, headers=headers)
        return len(data_of(answer)["items"])

    assert [found(text) for text in (doctor.name, MOBILE, EMAIL, REGISTRATION)] == [1, 0, 0, 0]
