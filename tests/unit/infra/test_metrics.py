"""What stays of a process that has ended."""

import subprocess
import sys

from tests.scraping import series_in
from tests.stack import ROOT

AFTER_A_CHILD = """
import os
from arthomed.core import metrics as counted
from arthomed.infra import metrics

counted.use(metrics.note)
child = os.fork()
if child == 0:
    counted.BOOKINGS.add()
    counted.MONGO_CONNECTIONS.add(5)
    os._exit(1)
os.waitpid(child, 0)
print(metrics.told()[0].decode())
"""


def test_what_a_process_counted_outlives_it_and_what_it_had_does_not() -> None:
    found = subprocess.run(
        [sys.executable, "-c", AFTER_A_CHILD], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    told = series_in(found)
    assert told["arthomed_bookings_total", frozenset()] == 1
    assert told.get(("arthomed_mongo_connections", frozenset()), 0) == 0
