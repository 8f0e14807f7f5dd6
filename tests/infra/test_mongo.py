"""The connection to MongoDB."""

from collections.abc import Iterator

import pytest
from mongoengine.connection import get_connection
from pymongo import ReadPreference

from arthomed.auth.models import Session
from arthomed.core.cache import CacheTag
from arthomed.core.documents import transaction
from arthomed.infra import mongo

OPTIONS = [
    "readPreference=secondaryPreferred",
    "readpreference=nearest&readPreferenceTags=region:south&maxStalenessSeconds=120",
]


@pytest.fixture(params=OPTIONS)
def connected(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[None]:
    """A connection whose URI asks for reads from secondaries."""
    mongo.open_database(f"{environment['MONGODB_URI']}&{request.param}", timeout_ms=mongo.WEB_TIMEOUT_MS)
    yield
    mongo.open_database(environment["MONGODB_URI"], timeout_ms=mongo.WEB_TIMEOUT_MS)


@pytest.mark.usefixtures("database", "connected")
def test_sessions_and_cache_tags_are_read_from_the_primary_whatever_the_uri_says() -> None:
    readers = (get_connection(), Session.collection(), CacheTag.collection())

    assert [one.read_preference for one in readers] == [ReadPreference.PRIMARY] * 3


@pytest.mark.usefixtures("database", "connected")
def test_transactions_can_read_whatever_the_uri_says() -> None:
    assert transaction(lambda session: CacheTag.collection().find_one({}, session=session)) is None
