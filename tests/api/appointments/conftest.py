"""The clinic of `clinic.py`, the day before its first appointments."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from pymongo.database import Database

from tests.api.appointments.clinic import Clinic, make_clinic


@pytest.fixture
def monday_evening() -> Iterator[None]:
    """19:30 at the clinic on Monday, 30 November 2026."""
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield


@pytest.fixture
def clinic(app: Flask, database: Database[dict[str, Any]], monday_evening: None) -> Clinic:
    del database, monday_evening  # an empty database, and the time
    return make_clinic(app)
