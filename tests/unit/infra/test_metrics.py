"""The metrics of a process that has ended."""

import subprocess
import sys

import pytest

from tests.scraping import series_in
from tests.stack import ROOT

AFTER_A_CHILD = """
import os
from arthomed.core import metrics as core_metrics
from arthomed.infra import metrics

core_metrics.use(metrics.record)
child = os.fork()
if child == 0:
    core_metrics.BOOKINGS.add()
    core_metrics.MONGO_CONNECTIONS.add(5)
    os._exit(1)
os.waitpid(child, 0)
print(metrics.render()[0].decode())
"""


@pytest.mark.long
def test_counters_of_an_ended_process_stay_and_its_gauges_are_removed() -> None:
    output = subprocess.run(
        [sys.executable, "-c", AFTER_A_CHILD], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    series = series_in(output)
    assert series["arthomed_bookings_total", frozenset()] == 1
    assert series.get(("arthomed_mongo_connections", frozenset()), 0) == 0
