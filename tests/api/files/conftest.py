"""An empty file storage, in a folder and in a bucket, and an appointment to attach files to."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.core import clock
from arthomed.files import file_store
from arthomed.files.storage import INCOMING
from arthomed.infra.s3 import S3Storage
from dev.seaweedfs import SeaweedFS
from tests import factories
from tests.factories import SignedIn


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.long)])
def empty_storage(client: FlaskClient, request: pytest.FixtureRequest) -> Iterator[None]:
    """An empty storage of either type; both must pass the same tests."""
    del client  # it empties the database
    before, folder = file_store.current(), settings().uploads.folder
    shutil.rmtree(folder, ignore_errors=True)
    if request.param == "bucket":
        request.getfixturevalue("_empty_bucket")
    file_store.current().storage.prepare()
    yield
    file_store.use(before)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def appointment(person: SignedIn) -> Appointment:
    """An appointment of the signed-in patient."""
    return factories.make_appointment(person.user, factories.make_doctor(factories.every_day("09:00", "10:00")))


@pytest.fixture(scope="session")
def _s3_storage(app: Flask, seaweed: SeaweedFS) -> Iterator[S3Storage]:
    del app  # it chooses the settings
    with closing(S3Storage(seaweed.bucket, settings().uploads.folder / INCOMING)) as storage:
        yield storage


@pytest.fixture
def _empty_bucket(_s3_storage: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty bucket instead of the folder; its server keeps the real time even if a test sets our clock."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", _real_time)
    for file in _s3_storage.list_files(older_than=clock.now() + timedelta(days=1)):
        _s3_storage.delete(file.key)
    file_store.use(replace(file_store.current(), storage=_s3_storage))


def _real_time() -> datetime:
    hatch = time_machine.escape_hatch
    return datetime.fromtimestamp(hatch.time.time() if hatch.is_travelling() else clock.now().timestamp(), UTC)
