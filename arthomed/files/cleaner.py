"""Checks and rewrites an uploaded file in a subprocess, so that only the cleaned copy is ever stored.

The content decides the type; the file name and the sender's Content-Type do not count. The subprocess
(`files.cleaning`) decodes the file and writes a new one. The libraries that decode images and PDFs are written in C,
hold the GIL and cannot be interrupted, so the kernel limits the subprocess (RLIMIT_CPU, RLIMIT_DATA, an alarm). A
crash affects only the subprocess, and its environment contains no secrets. The subprocess is not a sandbox: it runs
as the same user as the application.
"""

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import structlog

from arthomed.core.errors import ClinicError, Code, ServiceUnavailable
from arthomed.files.cleaning import FileType
from arthomed.files.cleaning_queue import RETRY_AFTER

CPU_SECONDS = 5  # the slowest accepted file takes 2.5
MEMORY_BYTES = {  # RLIMIT_DATA, which excludes the code of the libraries
    FileType.JPEG: 76 * 1024 * 1024,  # the image takes 52 MB, the interpreter 12
    FileType.PNG: 76 * 1024 * 1024,
    FileType.PDF: 64 * 1024 * 1024,
}
MAX_CLEANED_BYTES = 20 * 1024 * 1024  # a cleaned file can be larger than the upload; clamd accepts 25 MB
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}
_ROOT = str(Path(__file__).parents[2])
_KILL_GRACE_SECONDS = 5  # after the subprocess's own alarm
_HEAD_BYTES = 1024  # PDF readers search no further for the header
_SIGNALS_OF_BAD_FILES = {
    signal.SIGXCPU,
    signal.SIGSEGV,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
}
_WRONG_TYPE = "The file is not a JPEG, PNG or PDF, whatever its name; please save it as one of these"
_SIGNALS_OF_OVERLOAD = {signal.SIGALRM, signal.SIGKILL, signal.SIGTERM, signal.SIGINT}

log = structlog.get_logger()


class InvalidFile(ClinicError):
    """A file that is not accepted; the details are the `reason`, for the sender."""

    code = Code.INVALID_FILE_TYPE
    message = "Invalid file type. Only JPG, PNG, and PDF files are allowed."

    def __init__(self, reason: str = _WRONG_TYPE) -> None:
        super().__init__(details=reason)


class CleaningFailed(RuntimeError):
    """The cleaning program itself failed, for example because a library is missing."""


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """`thumbnail` is a JPEG of at most 320 pixels a side; PDFs have none."""

    mime_type: str
    extension: str
    path: Path
    size: int
    sha256: str
    thumbnail: Path | None


def clean_file(source: Path, folder: Path, *, deadline: float) -> CleanedFile:
    """Write the cleaned file and its thumbnail into `folder` (mode 0600, random names); `source` stays unchanged.

    On an error nothing remains in `folder`. A killed process may leave a partial file there.

    Raises:
        InvalidFile: the file is rejected.
        ServiceUnavailable: the `deadline` (`time.monotonic()`) passed, or the disk is full.
    """
    file_type = _detect_type(source)
    target = folder / secrets.token_hex(16)
    try:
        _clean(file_type, source, target, deadline)
        return _describe(file_type, target)
    except BaseException:
        for partial in folder.glob(f"{target.name}*"):
            partial.unlink()
        raise


def subprocess_environment() -> dict[str, str]:
    """Only the import path of the code and its libraries; no secrets."""
    return ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, sys.path)])}


def ensure_accepted(result: "subprocess.CompletedProcess[str]") -> None:
    """Translate the exit code of the subprocess.

    Raises:
        InvalidFile: the file was rejected, or crashed or exhausted the subprocess.
        ServiceUnavailable: the disk failed, or the subprocess was killed or timed out.
        CleaningFailed: any other exit code.
    """
    if result.returncode == 0 and not result.stdout:
        return
    if result.returncode == 0:
        raise InvalidFile(result.stdout)
    if -result.returncode in _SIGNALS_OF_BAD_FILES:
        log.warning("file_crashed_cleaner", signal=-result.returncode)
        raise InvalidFile(
            "The file is too complicated to be read safely; please print it to a new PDF, or photograph it"
        )
    if result.returncode == os.EX_IOERR:
        log.error("disk_failed", operation="clean_file")
        raise ServiceUnavailable
    if -result.returncode in _SIGNALS_OF_OVERLOAD:
        raise ServiceUnavailable
    raise CleaningFailed(result.stderr[-2000:])


def _detect_type(source: Path) -> FileType:
    """Detect the type by magic bytes; the cleaning program finds out whether the rest matches."""
    with source.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise InvalidFile("The file is empty; please choose it again")
    if head.startswith(b"\xff\xd8\xff"):
        return FileType.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FileType.PNG
    if b"%PDF-" in head:
        return FileType.PDF
    raise InvalidFile


def _clean(file_type: FileType, source: Path, target: Path, deadline: float) -> None:
    seconds_left = ceil(deadline - time.monotonic())
    if seconds_left <= 0:
        raise ServiceUnavailable(retry_after=RETRY_AFTER)
    try:
        ensure_accepted(_run_subprocess(file_type, source, target, seconds=seconds_left))
    except subprocess.TimeoutExpired as error:
        raise ServiceUnavailable from error


def _run_subprocess(
    file_type: FileType, source: Path, target: Path, *, seconds: int
) -> "subprocess.CompletedProcess[str]":
    limits = (CPU_SECONDS, seconds, MEMORY_BYTES[file_type])
    return subprocess.run(  # noqa: S603 - the program and the paths are our own
        [sys.executable, "-P", "-s", "-m", "arthomed.files.cleaning", file_type, source, target, *map(str, limits)],
        env=subprocess_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + _KILL_GRACE_SECONDS,
        check=False,
    )


def _describe(file_type: FileType, target: Path) -> CleanedFile:
    path, thumbnail = Path(f"{target}.{file_type.extension}"), Path(f"{target}_thumbnail.jpg")
    size = path.stat().st_size
    if size > MAX_CLEANED_BYTES:
        raise InvalidFile("The file is too large after conversion; please split it, or send it as a JPEG")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return CleanedFile(
        mime_type=file_type,
        extension=file_type.extension,
        path=path,
        size=size,
        sha256=digest,
        thumbnail=None if file_type is FileType.PDF else thumbnail,
    )
