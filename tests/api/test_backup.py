"""Backup, loss and restoration, as docs/operations.md tells."""

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
from pymongo.database import Database

from arthomed.infra import backup
from arthomed.infra.backup import BackupError
from dev.servers import Mongo, Valkey
from tests.stack import ROOT, Stack

pytestmark = pytest.mark.long

MONGODUMP = shutil.which("mongodump")
Documents = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def clinic(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The demo clinic's database, with nobody at work."""
    folder, redis = tmp_path_factory.mktemp("backup"), valkey.url.removesuffix("/0") + "/4"
    with Stack(folder, mongodb_uri=mongo.uri("arthomed_backup"), redis_url=redis, parts=()) as stack:
        yield stack


@pytest.fixture
def database(clinic: Stack) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](clinic.env["MONGODB_URI"]) as client:
        yield client.get_default_database()


@pytest.fixture(scope="module")
def dumped(clinic: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("dumped") / "clinic.gz"
    clinic.flask("backup", "dump", str(file))
    return file


def test_what_was_lost_is_back_as_it_was(clinic: Stack, database: Database[dict[str, Any]], tmp_path: Path) -> None:
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
def test_mongodump_brings_it_back_too(clinic: Stack, database: Database[dict[str, Any]], tmp_path: Path) -> None:
    before = documents(database)
    dump, restore, audit = commands_of("mongodump")

    run(clinic, dump, tmp_path)
    database.client.drop_database(database.name)
    run(clinic, restore, tmp_path)

    assert documents(database) == before
    assert run(clinic, audit, tmp_path) == "Appointments and slots are consistent.\n"


def test_a_backup_is_its_owner_s_alone(dumped: Path) -> None:
    assert stat.S_IMODE(dumped.stat().st_mode) == 0o600
    assert [*dumped.parent.iterdir()] == [dumped]


def test_a_backup_never_mixes_with_other_data(database: Database[dict[str, Any]], dumped: Path) -> None:
    with pytest.raises(BackupError, match="restore into an empty database"):
        backup.restore(database.client, database.name, dumped)


def test_a_backup_is_restored_by_the_version_that_made_it(database: Database[dict[str, Any]], dumped: Path) -> None:
    with pytest.raises(BackupError, match="other migrations"):
        backup.restore(database.client, "arthomed_without_migrations", dumped)


@pytest.mark.parametrize("harm", ["cut", "cut and packed again", "none of ours", "empty", "missing"])
def test_a_backup_that_is_not_whole_is_refused(
    database: Database[dict[str, Any]], dumped: Path, tmp_path: Path, harm: str
) -> None:
    whole, harmed = dumped.read_bytes(), tmp_path / "harmed.gz"
    contents = {
        "cut": whole[:-100],
        "cut and packed again": gzip.compress(gzip.decompress(whole)[:-30]),
        "none of ours": gzip.compress(b"something else"),
        "empty": b"",
    }
    if harm in contents:
        harmed.write_bytes(contents[harm])

    with pytest.raises(BackupError, match="no whole backup"):
        backup.restore(database.client, database.name, harmed)


def commands_of(tool: str) -> list[str]:
    """The commands of the block in docs/operations.md that uses a tool."""
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


def documents(database: Database[dict[str, Any]]) -> Documents:
    names = (name for name in database.list_collection_names() if not name.startswith("migration"))
    return {name: [*database[name].find().sort("_id")] for name in sorted(names)}
