"""Each row of the tables in docs/security.md names existing modules and tests, or a decision and its reason."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.stack import ROOT

REQUIREMENT = re.compile(r"API\d+:2023|\d+\.\d+\.\d+ L[123]")
DOCUMENT = (ROOT / "docs" / "security.md").read_text()
TABLE = DOCUMENT.partition("| requirement | how")[2].partition("\n\n")[0]
DECISIONS = DOCUMENT.partition("| requirement | decision |")[2].partition("\n\n")[0]
ROW_LINES = [line for line in TABLE.splitlines() if line.startswith("| ")]
ROWS = {cells[0]: cells for line in ROW_LINES if (cells := line.removeprefix("| ").removesuffix(" |").split(" | "))}
MODULE_COLUMN, TEST_COLUMN = 2, 3


def requirements() -> list[str]:
    return [requirement for cell in ROWS for requirement in cell.split(", ")]


def quoted(row: str, column: int) -> list[str]:
    return re.findall(r"`([^`]+)`", ROWS[row][column])


@cache
def names_of_tests(path: Path) -> set[str]:
    """Find the tests of a file: `test_name` or `TestClass::test_name`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def test_each_requirement_has_one_row() -> None:
    assert [name for name in requirements() if not REQUIREMENT.fullmatch(name)] == []
    assert len(set(requirements())) == len(requirements()) >= len(ROW_LINES) > 0
    assert {len(cells) for cells in ROWS.values()} == {4}


def test_table_has_all_of_the_owasp_api_top_ten() -> None:
    assert {f"API{number}:2023" for number in range(1, 11)} <= set(requirements())


@pytest.mark.parametrize("row", ROWS)
def test_modules_of_a_row_exist(row: str) -> None:
    named = quoted(row, MODULE_COLUMN)

    assert named
    assert [name for name in named if not any((base / name).is_file() for base in (ROOT, ROOT / "arthomed"))] == []


@pytest.mark.parametrize("row", ROWS)
def test_tests_of_a_row_exist(row: str) -> None:
    named = [name.split("::", 1) for name in quoted(row, TEST_COLUMN)]

    assert named
    assert [f"{path}::{name}" for path, name in named if name not in names_of_tests(ROOT / path)] == []


def test_each_requirement_that_is_not_met_has_a_decision_and_a_reason() -> None:
    rows = [line.strip("| ").split(" | ") for line in DECISIONS.splitlines() if line.startswith("| ")]

    assert rows
    assert [row for row in rows if len(row) != 3 or not all(row)] == []
    assert [row[0] for row in rows if not REQUIREMENT.match(row[0])] == []
