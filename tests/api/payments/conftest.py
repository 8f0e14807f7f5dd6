"""The reception on Monday evening."""

import pytest
from flask import Flask

from tests.api.payments.desk import Desk, open_desk
from tests.factories import Records


@pytest.fixture
def desk(app: Flask, database: Records, monday_evening: None) -> Desk:
    del database, monday_evening  # an empty database, and the time
    return open_desk(app)
