"""The clinic of the audit tests."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.audit.clinic import Clinic, open_clinic


@pytest.fixture
def clinic(app: Flask, client: FlaskClient) -> Clinic:
    """A clinic with one appointment and an empty audit trail."""
    del client  # it empties the database
    return open_clinic(app)
