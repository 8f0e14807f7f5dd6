"""The caching contract: a cached response equals an uncached one, whatever a route or a job has written.

So does each part of a page that is polled.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from arthomed.core import clock
from arthomed.core.jobs import Job
from tests.api.caching.clinic import Clinic
from tests.api.caching.second_process import Request, SecondProcess, get
from tests.api.caching.writes import WRITES, Write
from tests.architecture.test_permissions import is_page


def test_every_writing_route_and_every_job_has_a_case(app: Flask) -> None:
    routes = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        if not is_page(rule.rule)  # pages write with the services of these routes: `TestWrites` in test_day.py
    }
    assert {write.by for write in WRITES} == routes | set(Job)


def test_each_polled_part_is_among_what_is_compared(app: Flask, clinic: Clinic) -> None:
    parts = clinic.polled_parts()

    assert [status for status, _ in get(app, parts)] == [200] * len(parts)
    assert len(parts) == sum(hasattr(view, "cache_varies_on") for view in app.view_functions.values())


@pytest.mark.long
@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.by)
def test_cached_responses_of_two_processes_equal_uncached_ones_after_each_write(
    app: Flask, clinic: Clinic, second_process: SecondProcess, write: Write
) -> None:
    requests = clinic.requests()
    every = [request for of_kind in requests.values() for request in of_kind] + clinic.polled_parts()
    write.prepare(clinic)
    before, by_second = in_one_minute(lambda: (get(app, every), second_process.get(every)))
    assert by_second == before
    write.execute(clinic)

    *cached, uncached = in_one_minute(
        lambda: (get(app, every), second_process.get(every), second_process.get(every, with_cache=False))
    )
    assert kinds_that_changed(requests, before, uncached) == write.changes
    assert cached == [uncached, uncached]


def in_one_minute(read: Callable[[], tuple[list[Any], ...]]) -> tuple[list[Any], ...]:
    """Read within one minute: expected waits change with it."""
    while True:
        minute = clock.now().replace(second=0, microsecond=0)
        found = read()
        if clock.now() < minute + timedelta(minutes=1):
            return found


def kinds_that_changed(requests: Mapping[str, Sequence[Request]], before: list[Any], after: list[Any]) -> str:
    """The kinds of responses of the API that changed; parts of pages follow them."""
    kinds = [kind for kind, of_kind in requests.items() for _ in of_kind]
    changed = {kind for kind, old, new in zip(kinds, before, after, strict=False) if old != new}
    return " ".join(kind for kind in requests if kind in changed)
