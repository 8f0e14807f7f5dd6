"""What a file is, and whether it is let in: decided by what it holds, never by its name or the sender's word.

The file itself is never kept. It is read by a process of its own (`files.cleaning`), and what is kept is written
anew from what was understood. That process is what bounds the work: the libraries that read images and PDFs are
written in C, hold the interpreter while they work and can't be interrupted or kept from allocating, so the
kernel does it (RLIMIT_CPU, RLIMIT_DATA, an alarm); a crash takes nothing along, and no secret goes along in its
environment. It is no sandbox: it runs as the user that we run as.
One such process runs at a time for each process that asks, for one request after the other; a few senders wait for
their turn, none with more than two requests, and whoever comes then, or waits too long, is told to come again: files
never take all the threads, and of many at least some get through.
"""

import hashlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

import structlog

from arthomed.core.errors import ClinicError, Code, ServiceUnavailable
from arthomed.files.cleaning.verdict import Kind

CPU_SECONDS = 8  # the slowest that is let in takes two and a half
MEMORY_BYTES = {  # of its own, without the libraries' code
    Kind.JPEG: 76 * 1024 * 1024,  # the picture has 52 MB of it, the interpreter 12
    Kind.PNG: 76 * 1024 * 1024,
    Kind.PDF: 64 * 1024 * 1024,
}
WAIT_SECONDS, SECONDS = 18, 14  # for one's turn, and for all files of a request; the web server gives up after 35
MOST_WAITING = 5  # of a web process's eight threads; the others are for those who send no files
MOST_OF_ONE = 2
MOST_BYTES = 20 * 1024 * 1024  # of a cleaned file, which may be larger than it came; clamd is told to take 25 MB
ENVIRONMENT = {"LC_ALL": "C.UTF-8"}  # no secret of ours goes along
_ROOT = str(Path(__file__).parents[2])
_COME_AGAIN = timedelta(seconds=5)
_HEAD_BYTES = 1024  # readers of PDF look no further for its header
_THE_FILES_FAULT = {signal.SIGXCPU, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_TOO_BUSY = {signal.SIGALRM, signal.SIGKILL, signal.SIGTERM, signal.SIGINT}
one_at_a_time = threading.Lock()
_counting = threading.Lock()
waiting = Counter[Hashable]()

log = structlog.get_logger()


class InvalidFile(ClinicError):
    code = Code.INVALID_FILE_TYPE
    message = "Only JPEG, PNG and PDF files are accepted"


class CleaningFailed(RuntimeError):
    """Our fault, not the file's, nor the disk's: a missing library, a reader that is too old."""


@dataclass(frozen=True, slots=True)
class Content:
    """The cleaned file; `thumbnail` is a JPEG of at most 320 pixels a side, for images."""

    mime_type: str
    extension: str
    path: Path
    size: int
    sha256: str
    thumbnail: Path | None


@contextmanager
def turn_of(sender: Hashable) -> Iterator[float]:
    """The turn of a request's files; says until when (time.monotonic()) these may take.

    Raises ServiceUnavailable when too many wait, or two of this sender's, or it would take too long.
    """
    with _counting:
        if waiting.total() >= MOST_WAITING or waiting[sender] >= MOST_OF_ONE:
            raise ServiceUnavailable(retry_after=_COME_AGAIN)
        waiting[sender] += 1
    try:
        if not one_at_a_time.acquire(timeout=WAIT_SECONDS):
            raise ServiceUnavailable(retry_after=_COME_AGAIN)
        try:
            yield time.monotonic() + SECONDS
        finally:
            one_at_a_time.release()
    finally:
        with _counting:
            waiting.subtract([sender])
            if not waiting[sender]:
                del waiting[sender]


def take_in(source: Path, folder: Path, *, until: float) -> Content:
    """Write the cleaned file and its thumbnail into `folder` (0600, names that can't be guessed); `source` is left.

    Raises InvalidFile with words for the sender, or ServiceUnavailable when it is not done `until` then
    (time.monotonic()) or the disk is full; then nothing is left in `folder`. A killed process may leave what it
    was writing.
    """
    kind = _kind_of(source)
    target = folder / secrets.token_hex(16)
    try:
        _clean(kind, source, target, until)
        return _content(kind, target)
    except BaseException:
        for left in folder.glob(f"{target.name}*"):
            left.unlink()
        raise


def _kind_of(source: Path) -> Kind:
    """What it claims to be; a claim that is no more than its first bytes is found out when it is read."""
    with source.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if not head:
        raise InvalidFile("The file is empty")
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if b"%PDF-" in head:
        return Kind.PDF
    raise InvalidFile


def _clean(kind: Kind, source: Path, target: Path, until: float) -> None:
    left = ceil(until - time.monotonic())
    if left <= 0:
        raise ServiceUnavailable(retry_after=_COME_AGAIN)
    try:
        ensure_accepted(_process(kind, source, target, seconds=left))
    except subprocess.TimeoutExpired as error:
        raise ServiceUnavailable from error


def _process(kind: Kind, source: Path, target: Path, *, seconds: int) -> "subprocess.CompletedProcess[str]":
    limits = (CPU_SECONDS, seconds, MEMORY_BYTES[kind])
    return subprocess.run(  # noqa: S603 - our own program, and paths of ours
        [sys.executable, "-P", "-s", "-m", "arthomed.files.cleaning", kind, source, target, *map(str, limits)],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds + 5,
        check=False,
    )


def environment() -> dict[str, str]:
    """Where our code and its libraries are, and nothing else of ours."""
    return ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([_ROOT, *filter(None, sys.path)])}


def ensure_accepted(done: "subprocess.CompletedProcess[str]") -> None:
    if done.returncode == 0 and not done.stdout:
        return
    if done.returncode == 0:
        raise InvalidFile(done.stdout)
    if -done.returncode in _THE_FILES_FAULT:
        log.warning("file_broke_its_reader", signal=-done.returncode)
        raise InvalidFile("The file is too complicated to be read safely")
    if done.returncode == os.EX_IOERR:
        log.error("disk_failed", while_doing="cleaning a file")
        raise ServiceUnavailable
    if -done.returncode in _TOO_BUSY:
        raise ServiceUnavailable
    raise CleaningFailed(done.stderr[-2000:])


def _content(kind: Kind, target: Path) -> Content:
    path, thumbnail = Path(f"{target}.{kind.extension}"), Path(f"{target}_thumbnail.jpg")
    if path.stat().st_size > MOST_BYTES:
        raise InvalidFile("The file is too large once it is written anew; please send it in parts or as a JPEG")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Content(
        mime_type=kind,
        extension=kind.extension,
        path=path,
        size=path.stat().st_size,
        sha256=digest,
        thumbnail=None if kind is Kind.PDF else thumbnail,
    )
