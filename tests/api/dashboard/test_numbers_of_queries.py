"""The number of queries grows neither with the doctors nor with the requests, and each uses an index."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import offers
from arthomed.core.permissions import Role
from arthomed.http import cache as http_cache
from tests import factories
from tests.factories import Browser, Records
from tests.migrations.plans import Operation, inefficient, profiled

FEW, MANY = 2, 20
HOURS = factories.every_day("09:00", "10:00")


def next_free() -> int:
    return len(offers.next_free(offers.doctors(), limit=50))


def next_free_of_a_day() -> int:
    return len(offers.next_free(offers.doctors(), limit=50, since=factories.tomorrow()))


def nearest() -> int:
    day = factories.tomorrow() + timedelta(days=1)
    return len(offers.nearest(offers.doctors(), day, "09:30", limit=50))


@pytest.mark.parametrize("find", [next_free, next_free_of_a_day, nearest])
def test_times_of_many_doctors_take_as_many_queries_as_those_of_few(
    client: FlaskClient, database: Records, find: Callable[[], int]
) -> None:
    def count() -> int:
        with profiled(database) as operations:
            assert find() == 50
        assert inefficient(operations, database) == []
        return len(operations)

    add_doctors(FEW)
    few = count()
    add_doctors(MANY - FEW)

    assert count() == few


def test_the_first_free_times_of_many_doctors_are_found_without_reading_all(
    client: FlaskClient, database: Records
) -> None:
    add_doctors(MANY)
    with profiled(database) as operations:
        offers.next_free(offers.doctors(), limit=6)

    slots = [one for one in operations if one["ns"].endswith(".slots")]
    assert sum(one["docsExamined"] for one in slots) < 10 * MANY  # of 180 each


@pytest.mark.parametrize("path", ["/dashboard/requests", "/dashboard/requests/live"])
def test_many_requests_take_as_many_queries_as_few(
    app: Flask, client: FlaskClient, database: Records, path: str
) -> None:
    browser = Browser(app, factories.make_user(Role.RECEPTIONIST))

    def read() -> list[Operation]:
        http_cache.register(app)  # empties the cache
        with profiled(database) as operations:
            page = browser.get(path, is_partial=True).text
        assert page.count("confirm-") >= FEW
        return operations

    add_requests(FEW)
    browser.get(path)
    few = read()
    add_requests(MANY - FEW)
    browser.get(path)

    many = read()
    assert len(many) == len(few)
    assert inefficient(many, database) == []


def add_doctors(number: int) -> None:
    for _ in range(number):
        factories.make_doctor(HOURS)


def add_requests(number: int) -> None:
    """Each for another doctor and day."""
    for offset in range(number):
        factories.make_appointment(doctor=factories.make_doctor(HOURS), day=factories.tomorrow() + timedelta(offset))
