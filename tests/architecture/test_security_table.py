"""docs/security.md: each row names modules and tests that there are."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.stack import ROOT

REQUIREMENT = re.compile(r"API\d+:2023|\d+\.\d+\.\d+ L[123]")
TABLE = (ROOT / "docs" / "security.md").read_text().partition("| requirement |")[2]
LINES = [line for line in TABLE.splitlines() if line.startswith("| ")]
ROWS = {cells[0]: cells for line in LINES if (cells := line.removeprefix("| ").removesuffix(" |").split(" | "))}
MODULE, SHOWN_BY = 2, 3


def requirements() -> list[str]:
    return [one for named in ROWS for one in named.split(", ")]


def quoted(row: str, column: int) -> list[str]:
    return re.findall(r"`([^`]+)`", ROWS[row][column])


@cache
def shown_in(path: Path) -> set[str]:
    """The tests of a file: `test_name` or `TestClass::test_name`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def test_each_row_names_requirements_that_no_other_names() -> None:
    assert [one for one in requirements() if not REQUIREMENT.fullmatch(one)] == []
    assert len(set(requirements())) == len(requirements()) >= len(LINES) > 0
    assert {len(cells) for cells in ROWS.values()} == {4}


def test_all_of_the_api_top_ten_are_there() -> None:
    assert {f"API{number}:2023" for number in range(1, 11)} <= set(requirements())


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_modules_that_there_are(row: str) -> None:
    named = quoted(row, MODULE)

    assert named
    assert [name for name in named if not any((base / name).is_file() for base in (ROOT, ROOT / "arthomed"))] == []


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_there_are(row: str) -> None:
    named = [name.split("::", 1) for name in quoted(row, SHOWN_BY)]

    assert named
    assert [f"{path}::{name}" for path, name in named if name not in shown_in(ROOT / path)] == []
