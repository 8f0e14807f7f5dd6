"""The Celery application, in this process."""

from importlib import import_module

import pytest
from celery import Celery


@pytest.fixture(scope="session")
def celery(environment: dict[str, str]) -> Celery:
    """With its tasks; imported here because it reads the settings when it is."""
    assert environment
    app: Celery = import_module("workers.app").app
    app.loader.import_default_modules()
    return app
