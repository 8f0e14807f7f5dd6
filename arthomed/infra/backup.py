"""The database in one file: every document as of one moment, for a clinic without MongoDB's own tools."""

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
_NOT_OURS = ("system.", "migration")  # the restored database is migrated by itself

Record = Mapping[str, Any]


class BackupError(Exception):
    """It can't be made or brought back; nothing was changed."""


def dump(client: MongoClient[Any], name: str, file: Path, *, now: datetime) -> int:
    """Write every document as of one moment (MongoDB keeps that for five minutes); returns how many.

    The file is there only when it is whole, and is its owner's alone.
    """
    part = file.with_name(f"{file.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
            count = _write(client, name, packed, now)
        raw.flush()
        os.fsync(raw.fileno())
    part.replace(file)
    return count


def _write(client: MongoClient[Any], name: str, packed: gzip.GzipFile, now: datetime) -> int:
    head = {"format": _FORMAT, "at": now, "migrations": _migrations(client[name])}
    packed.write(bson.encode(head))
    count = 0
    with client.start_session(snapshot=True) as session:
        for collection in _collections(client[name]):
            for document in client[name].get_collection(collection, codec_options=_RAW).find(session=session):
                packed.write(bson.encode({"in": collection, "document": document}))
                count += 1
    packed.write(bson.encode({"documents": count}))
    return count


def restore(client: MongoClient[Any], name: str, file: Path) -> int:
    """Put a dump into a migrated database without documents; returns how many there are now.

    Raises:
        BackupError: the file is not whole, of another version, or somebody's data is there already.
    """
    database = client[name]
    _ensure_fits(file, database)
    count = 0
    with gzip.open(file) as packed:
        documents = (one for one in _records(packed) if "in" in one)
        for collection, records in groupby(documents, key=lambda one: str(one["in"])):
            while some := [one["document"] for one in islice(records, _BATCH)]:
                database[collection].insert_many(some, ordered=False)
                count += len(some)
    return count


def _ensure_fits(file: Path, database: Database[Any]) -> None:
    try:
        head = _checked(file)
    except (OSError, EOFError, bson.errors.InvalidBSON, ValueError, LookupError, StopIteration, zlib.error) as error:
        raise BackupError(f"{file} is no whole backup of ours.") from error
    if sorted(head["migrations"]) != _migrations(database):
        raise BackupError("It was made by a version with other migrations: restore it with that one, then upgrade.")
    if used := [name for name in _collections(database) if database[name].find_one({}, {"_id": 1})]:
        raise BackupError(f"There are documents in {', '.join(used)}: restore into an empty database.")


def _checked(file: Path) -> Record:
    """The head of a file that was read to its end, which says how much there must be."""
    with gzip.open(file) as packed:
        records = _records(packed)
        head = next(records)
        [(count, tail)] = deque(enumerate(records), maxlen=1)
    if head["format"] != _FORMAT or tail["documents"] != count:
        raise ValueError
    return head


def _records(packed: gzip.GzipFile) -> Iterator[Record]:
    return bson.decode_file_iter(cast("IO[bytes]", packed), _RAW)


def _collections(database: Database[Any]) -> list[str]:
    return sorted(name for name in database.list_collection_names() if not name.startswith(_NOT_OURS))


def _migrations(database: Database[Any]) -> list[str]:
    return sorted(one["name"] for one in database["migrations"].find({"applied": {"$ne": None}}))
