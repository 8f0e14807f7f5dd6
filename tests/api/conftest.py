"""A clock to set forward, and people who are signed in."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo import MongoClient

from arthomed.core import clock
from arthomed.core.permissions import Role
from dev.servers import Mongo
from tests import factories
from tests.api.auth.sign_in import Now
from tests.factories import SignedIn


@pytest.fixture
def now(environment: dict[str, str]) -> Iterator[Now]:
    """A clock that a test can set forward; it goes on from the real time."""
    with time_machine.travel(clock.now(), tick=True) as traveller:
        yield Now(traveller, environment["REDIS_URL"])


@pytest.fixture
def monday_evening() -> Iterator[None]:
    """19:30 at the clinic on Monday, 30 November 2026."""
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield


@pytest.fixture
def person(app: Flask, client: FlaskClient) -> SignedIn:
    """A patient."""
    del client  # it empties the database
    return factories.sign_in(app)


@pytest.fixture
def admin(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.ADMIN, name="Kavita Desai"))


@pytest.fixture
def blocked_writes(client: FlaskClient, mongo: Mongo) -> Iterator[None]:
    """A database that blocks all writes."""
    del client
    with MongoClient[dict[str, Any]](mongo.uri("admin")) as server:
        server.admin.command("fsync", lock=True)
        yield
        server.admin.command("fsyncUnlock")
