"""Collects the logs of the suite's processes and the personal data of its users in the folder SUITE_LOGS."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

_USER_FIELDS = {"name", "mobileNumber", "email"}
PERSONAL = {"users": _USER_FIELDS, "otps": _USER_FIELDS, "sessions": {"pushToken"}}
_COLLECTIONS = re.compile(rf"\.({'|'.join(PERSONAL)})$")


def folder() -> Path | None:
    """The folder for the logs; None if SUITE_LOGS is not set."""
    named = os.environ.get("SUITE_LOGS")
    if not named:
        return None
    found = Path(named)
    found.mkdir(parents=True, exist_ok=True)
    return found


def keep_test_output(report: pytest.TestReport) -> None:
    """Keep the output of a test's own process; the report of its teardown holds all of it."""
    output = report.capstderr + report.capstdout
    if report.when == "teardown" and output and (to := folder()):
        with (to / "pytest.log").open("a", encoding="utf-8") as file:
            file.write(f"{output}\n")


def keep_process_log(log: Path) -> None:
    """Keep the log of a process that has ended."""
    if to := folder():
        (to / f"{log.parent.name}-{log.stem}-{uuid4().hex}.log").write_bytes(log.read_bytes())


def keep_personal_data(mongodb_uri: str) -> None:
    """Keep the personal data of all users that a server ever stored.

    It comes from the oplog, because tests empty the databases.
    """
    if to := folder():
        client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri)
        with client:
            found = sorted(set(_personal_data(client)))
        (to / f"people-{uuid4().hex}.json").write_text(json.dumps(found))


def _personal_data(client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    ours = {"$regex": _COLLECTIONS}
    query = {"$or": [{"ns": ours}, {"o.applyOps.ns": ours}]}
    for entry in client["local"]["oplog.rs"].find(query, {"ns": True, "o": True}):
        for change in entry["o"].get("applyOps", [entry]):  # the changes of a transaction are one entry
            if collection := _COLLECTIONS.search(change["ns"]):
                yield from _values(change["o"], PERSONAL[collection[1]])


def _values(value: object, fields: set[str], key: str = "") -> Iterator[str]:
    """All strings in `fields`, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _values(part, fields, name)
    elif isinstance(value, list):
        for part in value:
            yield from _values(part, fields, key)
    elif isinstance(value, str) and key in fields:
        yield value
