"""A clock to set forward, people who are signed in, and an empty place for files."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.files import records
from arthomed.files.storage import INCOMING
from arthomed.infra.s3 import S3Storage
from dev.seaweedfs import SeaweedFS
from tests import factories
from tests.factories import SignedIn
from tests.api.auth.sign_in import Now


@pytest.fixture
def now(environment: dict[str, str]) -> Iterator[Now]:
    """A clock that a test can set forward; it goes on from the real time."""
    with time_machine.travel(clock.now(), tick=True) as traveller:
        yield Now(traveller, environment["REDIS_URL"])


@pytest.fixture
def person(app: Flask, client: FlaskClient) -> SignedIn:
    """A patient."""
    del client  # it empties the database
    return factories.sign_in(app)


@pytest.fixture
def admin(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.ADMIN, name="Kavita Desai"))


@pytest.fixture(params=["folder", "bucket"])
def shelves(client: FlaskClient, request: pytest.FixtureRequest) -> Iterator[None]:
    """An empty place for files: what holds for one storage holds for the other."""
    del client  # it empties the database
    before, folder = records.cabinet(), settings().uploads.folder
    shutil.rmtree(folder, ignore_errors=True)
    if request.param == "bucket":
        request.getfixturevalue("_bucket")
    records.cabinet().storage.prepare()
    yield
    records.use(before)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _s3(app: Flask, seaweed: SeaweedFS) -> Iterator[S3Storage]:
    del app  # it chooses the settings
    with closing(S3Storage(seaweed.bucket, settings().uploads.folder / INCOMING)) as storage:
        yield storage


@pytest.fixture
def _bucket(_s3: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one in the place of the folder; its server goes by the real time, whatever a test does to ours."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", _real_time)
    for left in _s3.keys(older_than=clock.now() + timedelta(days=1)):
        _s3.delete(left.key)
    records.use(replace(records.cabinet(), storage=_s3))


def _real_time() -> datetime:
    hatch = time_machine.escape_hatch
    return datetime.fromtimestamp(hatch.time.time() if hatch.is_travelling() else clock.now().timestamp(), UTC)
