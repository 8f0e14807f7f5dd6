"""Backup and restore with the commands of docs/operations.md."""

import gzip
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from arthomed.infra import backup
from arthomed.infra.backup import BackupError
from dev.servers import Mongo, Valkey
from tests.factories import Records
from tests.stack import ROOT, Stack, stack_with

pytestmark = pytest.mark.long

MONGODUMP = shutil.which("mongodump")
Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def clinic(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The database of the demo clinic, without running servers."""
    with stack_with(mongo, valkey, tmp_path_factory.mktemp("backup"), redis=4, parts=(), demo=True) as stack:
        yield stack


@pytest.fixture
def database(clinic: Stack) -> Iterator[Records]:
    with MongoClient[dict[str, Any]](clinic.env["MONGODB_URI"]) as client:
        yield client.get_default_database()


@pytest.fixture(scope="module")
def dumped(clinic: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("dumped") / "clinic.gz"
    clinic.flask("backup", "dump", str(file))
    return file


def test_a_restored_database_holds_the_same_documents(clinic: Stack, database: Records, tmp_path: Path) -> None:
    before = documents(database)
    dump, migrate, restore, audit = commands_of("flask backup dump")

    run(clinic, dump, tmp_path)
    database.client.drop_database(database.name)
    run(clinic, migrate, tmp_path)
    run(clinic, restore, tmp_path)

    assert documents(database) == before
    assert before["slots"]
    assert run(clinic, audit, tmp_path) == "Appointments and slots are consistent.\n"


@pytest.mark.skipif(MONGODUMP is None, reason="MongoDB's database tools are not installed here")
def test_mongorestore_restores_the_same_documents(clinic: Stack, database: Records, tmp_path: Path) -> None:
    before = documents(database)
    dump, restore, audit = commands_of("mongodump")

    run(clinic, dump, tmp_path)
    database.client.drop_database(database.name)
    run(clinic, restore, tmp_path)

    assert documents(database) == before
    assert run(clinic, audit, tmp_path) == "Appointments and slots are consistent.\n"


def test_only_its_owner_may_read_a_backup(dumped: Path) -> None:
    assert stat.S_IMODE(dumped.stat().st_mode) == 0o600
    assert [*dumped.parent.iterdir()] == [dumped]


def test_a_backup_is_not_restored_into_a_database_with_documents(database: Records, dumped: Path) -> None:
    with pytest.raises(BackupError, match="restore into an empty database"):
        backup.restore(database.client, database.name, dumped)


def test_a_backup_is_not_restored_by_a_version_with_other_migrations(database: Records, dumped: Path) -> None:
    with pytest.raises(BackupError, match="other migrations"):
        backup.restore(database.client, "arthomed_without_migrations", dumped)


@pytest.mark.parametrize("damage", ["truncated", "truncated before compression", "another format", "empty", "missing"])
def test_an_incomplete_backup_is_refused(database: Records, dumped: Path, tmp_path: Path, damage: str) -> None:
    complete, damaged = dumped.read_bytes(), tmp_path / "damaged.gz"
    contents = {
        "truncated": complete[:-100],
        "truncated before compression": gzip.compress(gzip.decompress(complete)[:-30]),
        "another format": gzip.compress(b"something else"),
        "empty": b"",
    }
    if damage in contents:
        damaged.write_bytes(contents[damage])

    with pytest.raises(BackupError, match="not a complete backup"):
        backup.restore(database.client, database.name, damaged)


def commands_of(tool: str) -> list[str]:
    """The commands of the block in docs/operations.md that uses this tool."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "docs/operations.md").read_text(), re.MULTILINE | re.DOTALL)
    [block] = [one for one in blocks if tool in one]
    return [line for line in block.splitlines() if line]


def run(clinic: Stack, command: str, folder: Path) -> str:
    env = {**clinic.env, "PATH": f"{ROOT / '.venv/bin'}:{clinic.env['PATH']}", "FLASK_APP": str(ROOT / "wsgi.py")}
    done = subprocess.run(
        ["sh", "-c", command], check=False, cwd=folder, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def documents(database: Records) -> Documents:
    names = (name for name in database.list_collection_names() if not name.startswith("migration"))
    return {name: [*database[name].find().sort("_id")] for name in sorted(names)}
