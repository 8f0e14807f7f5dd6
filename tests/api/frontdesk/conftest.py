"""A waiting room at 07:00 on Tuesday, 1 December 2026."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from pymongo.database import Database

from tests.api.frontdesk.waiting_room import WaitingRoom, open_waiting_room


@pytest.fixture
def room(app: Flask, database: Database[dict[str, Any]]) -> Iterator[WaitingRoom]:
    """Four patients at nine, half past nine, ten and half past ten."""
    del database  # it is empty
    with time_machine.travel(datetime(2026, 12, 1, 1, 30, tzinfo=UTC), tick=True):
        yield open_waiting_room(app, "09:00", "09:30", "10:00", "10:30")
