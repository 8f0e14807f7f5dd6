"""The cleaning subprocess: its results, limits and failures."""

import hashlib
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from arthomed.core.errors import ServiceUnavailable
from arthomed.files import cleaner, cleaning_queue
from arthomed.files.cleaner import CleanedFile, CleaningFailed, InvalidFile, clean_file
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs


@pytest.mark.parametrize(("file", "extension"), [(images.jpeg, "jpg"), (images.png, "png"), (pdfs.pdf, "pdf")])
def test_metadata_describes_the_cleaned_file(
    file: Callable[[], bytes], extension: str, clean: Callable[[bytes], CleanedFile]
) -> None:
    cleaned = clean(file())
    stored = cleaned.path.read_bytes()
    assert (cleaned.extension, cleaned.path.suffix) == (extension, f".{extension}")
    assert (cleaned.size, cleaned.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())


def test_folder_has_only_the_cleaned_files_which_only_their_owner_can_read(
    clean: Callable[[bytes], CleanedFile], folder: Path
) -> None:
    cleaned = clean(images.jpeg(exif=images.gps(6)))
    assert set(folder.iterdir()) == {cleaned.path, cleaned.thumbnail}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_upload_itself_is_unchanged(tmp_path: Path, folder: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(images.jpeg(comment=images.MARKER))
    clean_file(source, folder, deadline=time.monotonic() + cleaning_queue.MAX_CLEANING_SECONDS)
    assert source.read_bytes() == images.jpeg(comment=images.MARKER)


def test_cleaning_the_same_file_twice_creates_different_names(clean: Callable[[bytes], CleanedFile]) -> None:
    assert clean(images.png()).path != clean(images.png()).path


def test_concurrent_cleanings_do_not_interfere(tmp_path: Path, folder: Path) -> None:
    sources = [tmp_path / f"upload{number}" for number in range(5)]
    for source in sources:
        source.write_bytes(images.png())
    deadline = time.monotonic() + cleaning_queue.MAX_CLEANING_SECONDS
    with ThreadPoolExecutor(5) as threads:
        cleaned = list(threads.map(partial(clean_file, folder=folder, deadline=deadline), sources))
    assert len({each.path for each in cleaned if each.path.exists()}) == 5


def test_file_over_the_cpu_limit_is_rejected(
    clean: Callable[[bytes], CleanedFile], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaner, "CPU_SECONDS", 1)
    with pytest.raises(InvalidFile) as rejection:
        clean(images.slow_to_compress())
    assert "too complicated" in rejection.value.details
    assert list(folder.iterdir()) == []


def test_file_over_the_time_limit_is_service_unavailable(
    clean: Callable[[bytes], CleanedFile], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning_queue, "MAX_CLEANING_SECONDS", 1)
    with pytest.raises(ServiceUnavailable):
        clean(images.slow_to_compress())
    assert list(folder.iterdir()) == []


def test_passed_deadline_is_service_unavailable(
    clean: Callable[[bytes], CleanedFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning_queue, "MAX_CLEANING_SECONDS", 0)
    with pytest.raises(ServiceUnavailable):
        clean(images.png())


def test_file_that_is_too_large_after_conversion_is_rejected(
    clean: Callable[[bytes], CleanedFile], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaner, "MAX_CLEANED_BYTES", 100)
    with pytest.raises(InvalidFile) as rejection:
        clean(images.png())
    assert "too large after conversion" in rejection.value.details
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("file", [images.jpeg, images.png, pdfs.pdf])
def test_disk_error_is_service_unavailable(file: Callable[[], bytes], tmp_path: Path) -> None:
    source = tmp_path / "upload"
    source.write_bytes(file())
    with pytest.raises(ServiceUnavailable):
        clean_file(source, tmp_path / "missing", deadline=time.monotonic() + cleaning_queue.MAX_CLEANING_SECONDS)


@pytest.mark.parametrize(
    ("exit_code", "error"),
    [
        (-signal.SIGSEGV, InvalidFile),
        (-signal.SIGABRT, InvalidFile),
        (-signal.SIGXCPU, InvalidFile),
        (-signal.SIGKILL, ServiceUnavailable),
        (-signal.SIGTERM, ServiceUnavailable),
        (1, CleaningFailed),
    ],
)
def test_exit_code_of_the_subprocess_is_translated(exit_code: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        cleaner.ensure_accepted(subprocess.CompletedProcess([], exit_code, stdout="", stderr=""))


def test_environment_of_the_subprocess_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "secret-value")
    assert "secret-value" not in cleaner.subprocess_environment().values()
