"""A new database without migrations."""

from collections.abc import Iterator

import pytest
from bson import ObjectId
from flask import Flask
from mongoengine.connection import get_connection

from dev.servers import Mongo
from tests.factories import Records


@pytest.fixture
def fresh_uri(app: Flask, mongo: Mongo) -> Iterator[str]:
    name = f"arthomed_fresh_{ObjectId()}"
    yield mongo.uri(name)
    get_connection().drop_database(name)


@pytest.fixture
def fresh(fresh_uri: str) -> Records:
    name = fresh_uri.rpartition("/")[2].partition("?")[0]
    found: Records = get_connection()[name]
    return found
