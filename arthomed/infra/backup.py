"""Dumps the database into one file and restores it, for a clinic without MongoDB's own tools."""

import gzip
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from typing import IO, Any, cast

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database

_RAW = CodecOptions(document_class=RawBSONDocument)
_FORMAT = 1
_BATCH = 1000
_EXCLUDED = ("system.", "migration")  # `flask migrate up` creates the migrations of the restored database

Record = Mapping[str, Any]


class BackupError(Exception):
    """The backup cannot be restored; the database is unchanged."""


def dump(client: MongoClient[Any], name: str, file: Path, *, now: datetime) -> int:
    """Write a snapshot of every document; returns how many. MongoDB keeps a snapshot for five minutes.

    The file appears only when it is complete, and only its owner may read it.
    """
    partial = file.with_name(f"{file.name}.part")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as archive:
            count = _write(client, name, archive, now)
        raw.flush()
        os.fsync(raw.fileno())
    partial.replace(file)
    return count


def _write(client: MongoClient[Any], name: str, archive: gzip.GzipFile, now: datetime) -> int:
    header = {"format": _FORMAT, "at": now, "migrations": _applied_migrations(client[name])}
    archive.write(bson.encode(header))
    count = 0
    with client.start_session(snapshot=True) as session:
        for collection in _collections(client[name]):
            for document in client[name].get_collection(collection, codec_options=_RAW).find(session=session):
                archive.write(bson.encode({"in": collection, "document": document}))
                count += 1
    archive.write(bson.encode({"documents": count}))
    return count


def restore(client: MongoClient[Any], name: str, file: Path) -> int:
    """Insert the documents of a dump into a migrated database that has none; returns how many.

    Raises:
        BackupError: the file is incomplete or from another version, or the database is not empty.
    """
    database = client[name]
    _require_restorable(file, database)
    count = 0
    with gzip.open(file) as archive:
        documents = (record for record in _records(archive) if "in" in record)
        for collection, records in groupby(documents, key=lambda record: str(record["in"])):
            while batch := [record["document"] for record in islice(records, _BATCH)]:
                database[collection].insert_many(batch, ordered=False)
                count += len(batch)
    return count


def _require_restorable(file: Path, database: Database[Any]) -> None:
    try:
        header = _verified_header(file)
    except (OSError, EOFError, bson.errors.InvalidBSON, ValueError, LookupError, StopIteration, zlib.error) as error:
        raise BackupError(f"{file} is not a complete backup: use another one.") from error
    if sorted(header["migrations"]) != _applied_migrations(database):
        raise BackupError("The backup is from a version with other migrations: restore it with that one, then upgrade.")
    if used := [name for name in _collections(database) if database[name].find_one({}, {"_id": 1})]:
        raise BackupError(f"There are documents in {', '.join(used)}: restore into an empty database.")


def _verified_header(file: Path) -> Record:
    """Read the whole file, compare its documents with their number at its end, and return the header."""
    with gzip.open(file) as archive:
        records = _records(archive)
        header = next(records)
        [(count, footer)] = deque(enumerate(records), maxlen=1)
    if header["format"] != _FORMAT or footer["documents"] != count:
        raise ValueError
    return header


def _records(archive: gzip.GzipFile) -> Iterator[Record]:
    return bson.decode_file_iter(cast("IO[bytes]", archive), _RAW)


def _collections(database: Database[Any]) -> list[str]:
    return sorted(name for name in database.list_collection_names() if not name.startswith(_EXCLUDED))


def _applied_migrations(database: Database[Any]) -> list[str]:
    return sorted(one["name"] for one in database["migrations"].find({"applied": {"$ne": None}}))
