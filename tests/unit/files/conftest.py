"""Cleaning a file into an empty folder, with coverage of the subprocess."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from arthomed.files import cleaner, cleaning_queue
from arthomed.files.cleaner import CleanedFile, clean_file

_COVERAGE_VARIABLES = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@pytest.fixture(autouse=True)
def subprocess_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass the variables of coverage.py to the cleaning subprocess, which otherwise inherits no environment."""
    monkeypatch.setattr(cleaner, "ENVIRONMENT", cleaner.ENVIRONMENT | _COVERAGE_VARIABLES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder for cleaned files."""
    path = tmp_path / "incoming"
    path.mkdir()
    return path


@pytest.fixture
def clean(tmp_path: Path, folder: Path) -> Callable[[bytes], CleanedFile]:
    """Clean an upload with this content."""

    def clean_content(content: bytes) -> CleanedFile:
        source = tmp_path / "upload"
        source.write_bytes(content)
        return clean_file(source, folder, deadline=time.monotonic() + cleaning_queue.MAX_CLEANING_SECONDS)

    return clean_content
