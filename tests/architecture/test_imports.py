"""The import directions of the architecture."""

import subprocess

from tests.stack import BIN, ROOT


def test_import_contracts_are_kept() -> None:
    found = subprocess.run([BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout
