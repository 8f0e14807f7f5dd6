"""The connection to MongoDB, and the indexes that the database must have."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pymongo
from mongoengine import connect, disconnect
from mongoengine.connection import get_connection
from pymongo import MongoClient, ReadPreference
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.monitoring import ConnectionPoolListener
from pymongo.uri_parser import parse_uri

from arthomed.core import metrics
from arthomed.infra import roles

# A request fails within three seconds when the database is unavailable; the driver may add half a second to this.
WEB_TIMEOUT_MS = 2_000
WORKER_TIMEOUT_MS = 60_000
_SELECTION_MS = 1_500
_PING_SECONDS = 1.0
_INITIATE = "run rs.initiate() in mongosh once"
_NOT_INITIATED = f"MongoDB's replica set is not initiated, see MONGODB_URI: {_INITIATE}"
_RIGHTS = (
    "run commands as an owner of the database, and web, worker and beat as a user with the role "
    f"{roles.NAME} (MONGODB_URI)"
)
_REFUSALS: Mapping[int | None, str] = {
    13: f"Unauthorized; {_RIGHTS}",
    18: "AuthenticationFailed; correct the user or the password of MONGODB_URI",
    8000: "AtlasError; correct the user or the password of MONGODB_URI",
}
"""What the server answers, by its error code, and the remedy."""

# The unique indexes that the rules need: without them two patients could book one time.
REQUIRED_INDEXES = {
    "slots": {"slot_once"},
    "appointments": {"seat_once", "patient_time_once", "patient_doctor_day_once", "called_once", "token_once"},
    "notifications": {"message_once"},
    "idempotency_keys": {"key_once"},
    "users": {"mobile_once"},
    "otps": {"code_once"},
    "dependents": {"dependent_once"},
    "payments": {"receipt_once", "correction_once", "payment_key_once"},
}


class _PoolCounts(ConnectionPoolListener):
    """Counts this process's connections."""

    def connection_created(self, _event: object) -> None:
        metrics.MONGO_CONNECTIONS.add(1)

    def connection_closed(self, _event: object) -> None:
        metrics.MONGO_CONNECTIONS.add(-1)

    def connection_checked_out(self, _event: object) -> None:
        metrics.MONGO_IN_USE.add(1)

    def connection_checked_in(self, _event: object) -> None:
        metrics.MONGO_IN_USE.add(-1)

    def _ignore(self, event: Any) -> None:
        """The event changes none of the counts."""

    pool_created = pool_ready = pool_cleared = pool_closed = _ignore
    connection_ready = connection_check_out_started = connection_check_out_failed = _ignore


class DatabaseNotReady(Exception):
    """The database can't be used; the message names the cause and the remedy in one line."""


class DatabaseUnavailable(DatabaseNotReady):
    """The database can't be reached."""


def open_database(uri: str, *, timeout_ms: int) -> None:
    """Register the connection of this process; nothing is sent before the first query (fork-safe)."""
    disconnect()
    connect(
        database_name(uri),
        host=uri,
        mongo_client_class=_primary_client,
        connect=False,
        tz_aware=True,
        uuidRepresentation="standard",
        serverSelectionTimeoutMS=_SELECTION_MS,
        timeoutMS=timeout_ms,
        maxPoolSize=32,
        retryWrites=True,
        w="majority",
        event_listeners=[_PoolCounts()],
    )


def _primary_client(**options: Any) -> MongoClient[dict[str, Any]]:
    """A client that reads from the primary, whatever MONGODB_URI says.

    A secondary may not yet know that a session has ended or that a cache tag has changed, and transactions refuse to
    read from one. MongoEngine prefers the URI's `readPreference` to the argument of `connect`.
    """
    return MongoClient(**{**options, "read_preference": ReadPreference.PRIMARY})


def database_name(uri: str) -> str:
    return str(parse_uri(uri)["database"] or "arthomed")


def require_indexes(uri: str) -> None:
    """Check that the required unique indexes exist, over a connection of its own, which is closed before a fork.

    Raises:
        DatabaseNotReady: an index is missing, the server is no replica set, or the database is unavailable.
    """
    with MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=_SELECTION_MS) as client:
        database = client[database_name(uri)]
        with reporting_problems(client):
            require_replica_set(client)
            missing = [
                f"{collection}.{name}"
                for collection, names in REQUIRED_INDEXES.items()
                for name in sorted(names - _unique_indexes(database[collection]))
            ]
    if missing:
        raise DatabaseNotReady(f"The database lacks {', '.join(missing)}; run: flask migrate up")


def refuse_standalone(uri: str) -> None:
    """Check at the start of worker and beat, which wait for an unavailable database, that another one is usable.

    Raises:
        DatabaseNotReady: the server is no replica set, or refuses the user.
    """
    with (
        MongoClient[dict[str, object]](uri, serverSelectionTimeoutMS=_SELECTION_MS) as client,
        suppress(DatabaseUnavailable),
        reporting_problems(client),
    ):
        require_replica_set(client)


def require_replica_set(client: MongoClient[Any]) -> None:
    """Check that the server can run transactions. Raises DatabaseNotReady."""
    hello = client.admin.command("hello")
    if hello.get("isreplicaset"):
        raise DatabaseNotReady(_NOT_INITIATED)
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise DatabaseNotReady(
            "MongoDB runs as a standalone server, see MONGODB_URI, but transactions need a replica set: "
            f"start mongod with --replSet rs0, and {_INITIATE}"
        )


@contextmanager
def reporting_problems(client: MongoClient[Any]) -> Iterator[None]:
    """Turn errors of the connection and of the user's rights into DatabaseNotReady."""
    try:
        yield
    except ConnectionFailure as error:
        members = client.topology_description.server_descriptions().values()
        if any(member.server_type_name == "RSGhost" for member in members):
            raise DatabaseNotReady(_NOT_INITIATED) from error
        reason = str(error).partition(" (configured")[0].partition(", Timeout")[0]
        raise DatabaseUnavailable(f"MongoDB can't be reached; see MONGODB_URI ({reason})") from error
    except OperationFailure as error:
        if error.code not in _REFUSALS:
            raise
        raise DatabaseNotReady(f"MongoDB refuses: {_REFUSALS[error.code]}") from error


def _unique_indexes(collection: Collection[dict[str, object]]) -> set[str]:
    return {name for name, index in collection.index_information().items() if index.get("unique")}


def ping() -> None:
    with pymongo.timeout(_PING_SECONDS):
        get_connection().admin.command("ping")
