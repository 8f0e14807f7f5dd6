"""Puts what the suite's processes log, and who lived in its databases, into the folder that SUITE_LOGS names."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

_OF_PEOPLE = {"name", "mobileNumber", "email"}
PERSONAL = {"users": _OF_PEOPLE, "otps": _OF_PEOPLE, "sessions": {"pushToken"}}
_COLLECTIONS = re.compile(rf"\.({'|'.join(PERSONAL)})$")


def folder() -> Path | None:
    """Where to; None when nobody asked for it."""
    named = os.environ.get("SUITE_LOGS")
    if not named:
        return None
    found = Path(named)
    found.mkdir(parents=True, exist_ok=True)
    return found


def keep_test(report: pytest.TestReport) -> None:
    """Keep what the test's own process wrote; its last report has all of it."""
    written = report.capstderr + report.capstdout
    if report.when == "teardown" and written and (to := folder()):
        with (to / "pytest.log").open("a", encoding="utf-8") as file:
            file.write(f"{written}\n")


def keep_process(log: Path) -> None:
    """Keep the log of a process that has ended."""
    if to := folder():
        (to / f"{log.parent.name}-{log.stem}-{uuid4().hex}.log").write_bytes(log.read_bytes())


def keep_people(mongodb_uri: str) -> None:
    """Keep who ever lived on a server, from its journal of changes, since tests come and empty the databases."""
    if to := folder():
        client: MongoClient[dict[str, Any]] = MongoClient(mongodb_uri)
        with client:
            found = sorted(set(_people(client)))
        (to / f"people-{uuid4().hex}.json").write_text(json.dumps(found))


def _people(client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    ours = {"$regex": _COLLECTIONS}
    wanted = {"$or": [{"ns": ours}, {"o.applyOps.ns": ours}]}
    for entry in client["local"]["oplog.rs"].find(wanted, {"ns": True, "o": True}):
        for change in entry["o"].get("applyOps", [entry]):  # a transaction's changes are one entry
            if found := _COLLECTIONS.search(change["ns"]):
                yield from _personal(change["o"], PERSONAL[found[1]])


def _personal(value: object, wanted: set[str], key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _personal(part, wanted, name)
    elif isinstance(value, list):
        for part in value:
            yield from _personal(part, wanted, key)
    elif isinstance(value, str) and key in wanted:
        yield value
