"""Points in time, and the users and appointments of `clinic.py` and `case.py`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from pymongo.database import Database

from tests.api.appointments.case import Case, make_case
from tests.api.appointments.clinic import Clinic, make_clinic


@pytest.fixture
def clinic(app: Flask, database: Database[dict[str, Any]], monday_evening: None) -> Clinic:
    del database, monday_evening  # an empty database, and the time
    return make_clinic(app)


@pytest.fixture
def tuesday_at_seven() -> Iterator[None]:
    """07:00 at the clinic on Tuesday, 1 December 2026, two hours before the first slot."""
    with time_machine.travel(datetime(2026, 12, 1, 1, 30, tzinfo=UTC), tick=True):
        yield


@pytest.fixture
def case(app: Flask, database: Database[dict[str, Any]], tuesday_at_seven: None) -> Case:
    del database, tuesday_at_seven  # an empty database, and the time
    return make_case(app)
