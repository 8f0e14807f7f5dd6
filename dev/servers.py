"""MongoDB and Valkey on free ports of 127.0.0.1, for `make run` and for the tests."""

import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from dev import binaries
from dev.binaries import ServerError
from dev.processes import Process, stop_all

__all__ = ["Mongo", "ReplicaSet", "ServerError", "Valkey"]

_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02
_PORT_TRIES = 5
_LOG_LINES = 200
_NOT_INITIATED = 94  # NotYetInitialized
_PORT_IN_USE = "address already in use"


class Server(ABC):
    """A server that serves when the constructor returns. Its data stays when it stops."""

    name: ClassVar[str]

    def __init__(self, data_dir: Path, log_dir: Path, *, extra_args: Sequence[str] = ()) -> None:
        """Start on a free port and wait until it serves. Raises ServerError."""
        self.data_dir = data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = log_dir.resolve() / f"{self.name}.log"
        self._extra_args = extra_args
        self._env: dict[str, str] = {}
        self.port, self.process = self._start(_PORT_TRIES)

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self.process.pid

    def stop(self, *, within: float = _STOP_SECONDS) -> None:
        """Stop the server; kill it after `within` seconds."""
        self.process.stop(within=within)

    def restart(self) -> None:
        """Start the stopped server again, on the same port and with its data. Raises ServerError."""
        self.process = self._run(self.port)
        self._wait(self.port, self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @abstractmethod
    def _command(self, port: int) -> list[str | Path]: ...

    @abstractmethod
    def _is_serving(self, port: int, pid: int) -> bool:
        """Whether this process serves the port; False while it starts, or if another server has the port."""

    def _start(self, tries: int) -> tuple[int, Process]:
        port = free_port()
        process = self._run(port)
        try:
            self._wait(port, process)
        except ServerError:
            process.stop(within=1)
            if tries > 1 and self._can_retry(process.tail(_LOG_LINES)):
                return self._start(tries - 1)
            raise
        except BaseException:
            process.stop(within=1)
            raise
        return port, process

    def _run(self, port: int) -> Process:
        command = [*self._command(port), *self._extra_args]
        return Process(self.name, command, self._log, env={**os.environ, **self._env})

    def _wait(self, port: int, process: Process) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while process.exit_code is None:
            if _listens(port) and self._is_serving(port, process.pid):
                return
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not answer after {_START_SECONDS:.0f} s; see {self._log}")
            time.sleep(_POLL_SECONDS)
        raise ServerError(binaries.explain_failure(self.name, process.tail(_LOG_LINES), process.exit_reason()))

    def _can_retry(self, output: str) -> bool:
        return _PORT_IN_USE in output.lower()


class Mongo(Server):
    """mongod as a replica set with one member, because transactions need a replica set."""

    name = "mongod"
    REPLICA_SET = "arthomed"
    _PARAMETERS: ClassVar = {
        "diagnosticDataCollectionEnabled": "false",
        "transactionLifetimeLimitSeconds": "10",  # instead of 60: transactions of a killed process are aborted sooner
    }

    _SIZES: ClassVar = {"--oplogSize": "256", "--wiredTigerCacheSizeGB": "0.25"}

    def __init__(
        self,
        data_dir: Path,
        log_dir: Path,
        *,
        extra_args: Sequence[str] = (),
        key: str | None = None,
        is_durable: bool = True,
    ) -> None:
        """Start it. With a key (base64), it requires authentication: as a user, or with the key itself, see `root`.

        If it is not durable, commits do not wait for the journal: faster, for data that need not survive a crash.
        """
        self.root: dict[str, Any] = {}
        self._is_durable = is_durable
        if key is not None:
            self.root = {"username": "__system", "password": key, "authSource": "local"}
            extra_args = [*extra_args, "--keyFile", str(_key_file(data_dir, key))]
        super().__init__(data_dir, log_dir, extra_args=extra_args)

    def uri(self, database: str, user: str = "") -> str:
        """Return the URI of a database, for a `user` (`name:password@`) or without authentication."""
        return f"mongodb://{user}127.0.0.1:{self.port}/{database}?directConnection=true"

    def _command(self, port: int) -> list[str | Path]:
        options = ["--dbpath", str(self.data_dir), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
        sizes = [word for size in self._SIZES.items() if size[0] not in self._extra_args for word in size]
        overridden = {argument.partition("=")[0] for argument in self._extra_args}
        defaults = [f"{name}={value}" for name, value in self._PARAMETERS.items() if name not in overridden]
        parameters = [word for one in defaults for word in ("--setParameter", one)]
        return [binaries.mongod(), *options, "--replSet", self.REPLICA_SET, *sizes, *parameters]

    def _is_serving(self, port: int, pid: int) -> bool:
        client: MongoClient[dict[str, Any]] = MongoClient(
            "127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500, connect=False, **self.root
        )
        with client:
            try:
                is_this_process = client.admin.command("serverStatus")["pid"] == pid
                return is_this_process and self._is_ready(client.admin, f"127.0.0.1:{port}")
            except PyMongoError:
                return False

    def _is_ready(self, admin: Database[dict[str, Any]], host: str) -> bool:
        self._set_member_host(admin, host)
        return bool(admin.command("hello")["isWritablePrimary"])

    def _set_member_host(self, admin: Database[dict[str, Any]], host: str) -> None:
        """Configure the replica set with this port: the data of an earlier run has an earlier port."""
        member = {"_id": 0, "host": host}
        try:
            config = admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_INITIATED:
                raise
            durability = {"writeConcernMajorityJournalDefault": self._is_durable}
            admin.command("replSetInitiate", {"_id": self.REPLICA_SET, "members": [member], **durability})
        else:
            if config["members"][0]["host"] != host:
                config |= {"version": config["version"] + 1, "members": [member]}
                admin.command("replSetReconfig", config, force=True)

    def _can_retry(self, output: str) -> bool:
        if binaries.missing_library(output) and not self._env:
            self._env = binaries.bundled_libraries(self.data_dir.with_name(f"{self.data_dir.name}-lib"))
            return bool(self._env)
        return super()._can_retry(output)


class Member(Mongo):
    """One mongod of a larger replica set. It is ready when it answers, before a primary is elected."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _is_ready(self, admin: Database[dict[str, Any]], host: str) -> bool:  # noqa: ARG002  ReplicaSet configures the hosts
        return True


class ReplicaSet:
    """Three mongods. If one is unavailable, the other two elect a primary after `election_ms`."""

    def __init__(self, data_dir: Path, log_dir: Path, *, election_ms: int = 10_000) -> None:
        """Start the members and wait for the first primary. Raises ServerError."""
        self.members: list[Member] = []
        try:
            for name in "abc":
                self.members.append(Member(data_dir / name, log_dir / name))
            self._initiate(election_ms)
        except BaseException:
            self.stop()
            raise

    def uri(self, database: str) -> str:
        """Return the URI of a database, with which a client finds the primary."""
        return f"mongodb://{','.join(one.host for one in self.members)}/{database}?replicaSet={Mongo.REPLICA_SET}"

    def primary(self) -> Member:
        """Return the primary; waits for the election of one."""
        with MongoClient[dict[str, Any]](self.uri("admin")) as client:
            host = client.admin.command("hello")["primary"]
        return next(one for one in self.members if one.host == host)

    def stop(self) -> None:
        stop_all([one.process for one in self.members], within=_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _initiate(self, election_ms: int) -> None:
        members = [{"_id": number, "host": one.host} for number, one in enumerate(self.members)]
        config = {"_id": Mongo.REPLICA_SET, "members": members, "settings": {"electionTimeoutMillis": election_ms}}
        with MongoClient[dict[str, Any]](self.members[0].uri("admin")) as client:
            client.admin.command("replSetInitiate", config)
        self.primary()


class Valkey(Server):
    """Valkey with an append-only file, so that a restart keeps the data."""

    name = "valkey"

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _command(self, port: int) -> list[str | Path]:
        options = ["--dir", str(self.data_dir), "--port", str(port), "--bind", "127.0.0.1"]
        return [binaries.valkey(), *options, "--appendonly", "yes", "--save", ""]

    def _is_serving(self, port: int, pid: int) -> bool:
        with Redis(host="127.0.0.1", port=port, socket_timeout=0.5, retry=Retry(NoBackoff(), 0)) as client:
            try:
                is_loaded = client.ping()
                return bool(is_loaded and client.info("server")["process_id"] == pid)
            except RedisError:
                return False


def _key_file(data_dir: Path, key: str) -> Path:
    file = data_dir.resolve().with_name(f"{data_dir.name}.key")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)  # mongod refuses other modes
    file.write_text(key)
    return file


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
