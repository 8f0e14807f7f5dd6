"""The code only appends to the audit trail; tests/migrations/test_database_role.py tests what the database refuses."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import ROOT

INSERTING = {"insert_many"}
WRITING = INSERTING | {
    *("insert", "save", "update", "update_one", "update_many", "update_raw", "upsert_one", "modify", "replace"),
    *("replace_one", "delete", "delete_one", "delete_many", "drop", "drop_collection", "rename", "bulk_write"),
    *("find_one_and_update", "find_one_and_replace", "find_one_and_delete"),
}
AUDIT = ROOT / "arthomed" / "audit"
SOURCES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in ("arthomed", "workers")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def writes(source: Path) -> Iterator[tuple[str, str]]:
    """Each call of a writing method in a module: the object and the name of the method."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITING:
            yield ast.unparse(node.func.value), node.func.attr


def test_the_audit_package_only_inserts() -> None:
    calls = [call for path in AUDIT.rglob("*.py") for _, call in writes(path)]

    assert set(calls) == INSERTING


@pytest.mark.parametrize("module", [name for name in SOURCES if not name.startswith("arthomed/audit/")])
def test_no_other_module_writes_audit_events_or_uses_their_collection(module: str) -> None:
    text = SOURCES[module].read_text()

    assert [call for call in writes(SOURCES[module]) if "AuditEvent" in call[0]] == []
    assert "AuditEvent.collection" not in text
    assert module == "arthomed/infra/roles.py" or "audit_events" not in text
