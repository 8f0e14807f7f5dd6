"""The TypeScript client matches the API's document, and passes its own tests against a running stack."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Npm
from tests.stack import Stack

pytestmark = pytest.mark.long


def test_types_of_the_client_match_the_document(npm: Npm) -> None:
    npm("run", "generate", "--", "--check")  # if it fails: make client


def test_client_passes_its_tests_against_a_running_stack(npm: Npm, stack: Stack) -> None:
    npm("run", "build")

    output = npm("test", env={**os.environ, "ARTHOMED_URL": stack.url}).stdout

    assert int(re.search(r"^# pass (\d+)$", output, re.MULTILINE)[1]) > 10, output  # type: ignore[index]
    assert "# skipped 0" in output


def test_packed_client_can_be_installed_in_an_app(npm: Npm, tmp_path: Path) -> None:
    npm("pack", "--pack-destination", str(tmp_path))
    [package] = tmp_path.glob("*.tgz")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "app.js").write_text('import { Arthomed } from "@arthomed/client"; console.log(Arthomed.name)')

    npm("install", "--no-audit", "--no-fund", "--prefer-offline", str(package), cwd=tmp_path)

    assert subprocess.check_output(["node", "app.js"], cwd=tmp_path, text=True) == "Arthomed\n"
