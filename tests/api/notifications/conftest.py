"""A fixed time before the appointments of `outbox.py`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import time_machine


@pytest.fixture
def monday_evening() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield
