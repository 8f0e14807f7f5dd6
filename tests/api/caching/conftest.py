"""A second process, and a clinic in an empty database."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from pymongo.database import Database

from tests.api.caching import second_process as processes
from tests.api.caching.clinic import Clinic, make_clinic
from tests.api.caching.second_process import SecondProcess


@pytest.fixture(scope="module")
def second_process(app: Flask) -> Iterator[SecondProcess]:
    del app  # it migrates the database
    with processes.running() as process:
        yield process


@pytest.fixture
def clinic(app: Flask, database: Database[dict[str, Any]], celery: Celery) -> Clinic:
    return make_clinic(app, database, celery)
