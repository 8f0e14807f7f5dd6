"""A receptionist at a screen; a doctor who works all day, and a patient."""

from datetime import date

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.dashboard.booking import ALL_DAY, NUMBER
from tests.browser import clinic
from tests.browser.clinic import Doctor
from tests.factories import Browser


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    return Browser(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    return factories.make_doctor(ALL_DAY, name="Dr Meera Iyer", fee=300)


@pytest.fixture
def patient(client: FlaskClient) -> User:
    born = {"date_of_birth": date(1988, 4, 2), "gender": "female"}
    return factories.make_user(name="Asha Verma", mobile_number=NUMBER, profile=born)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> Browser:
    del client  # it empties the database
    return Browser(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def meera(desk: Browser) -> Doctor:
    del desk  # with it the database is empty
    return clinic.make_doctor()
