"""The import rules of pyproject.toml (import-linter)."""

import subprocess

import pytest

from tests.stack import BIN, ROOT


@pytest.mark.long  # `make lint` does this, too
def test_imports_follow_the_contracts() -> None:
    completed = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert completed.returncode == 0, completed.stdout
