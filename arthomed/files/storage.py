"""The interface of file storage, for a local folder and an S3 bucket alike; `infra` implements it."""

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

INCOMING = "incoming"  # the folder of unfinished files; never part of a key
_FOLDERS = r"(?:[a-z0-9][a-z0-9-]{0,39}/)"
_KEY = re.compile(rf"(?!{INCOMING}/){_FOLDERS}{{1,8}}[A-Za-z0-9][A-Za-z0-9_-]{{0,149}}(?:\.[a-z0-9]{{1,5}})?")
_PREFIX = re.compile(rf"(?!{INCOMING}/){_FOLDERS}{{0,8}}")


class StorageUnavailable(Exception):
    """The storage is full, read-only or unreachable; the same call may succeed later."""


class FileMissing(Exception):
    """The storage has no file with this key."""


class KeyTaken(Exception):
    """The storage has other content under this key; it was not overwritten."""


class InvalidKey(ValueError):
    """The application never creates such a key; the storage was not accessed."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`stored_at` is when the file got this key. If `is_key(key)` is false, the application did not create the file.

    `etag` is what nginx (X-Accel-Redirect) or the bucket sends as the file's ETag, without quotes.
    """

    key: str
    size: int
    stored_at: datetime
    etag: str


class OpenFile(Iterable[bytes], Protocol):
    """An open file, in chunks of bytes; the caller must close it even if it does not read to the end.

    Iterating raises StorageUnavailable if the content ends too early.
    """

    def close(self) -> None: ...


class Storage(Protocol):
    """Stores files under keys such as `profiles/2026/11/user_<id>_<ms>_avatar_<random>.jpg`.

    Every method raises StorageUnavailable, and InvalidKey for a key that the application never creates. Every method
    can be repeated after an interruption.
    """

    def prepare(self) -> None:
        """Initialize the storage, once. A folder without initialization counts as a disk that is not mounted."""

    def incoming(self) -> Path:
        """The folder of this machine for unfinished files."""

    def leftovers(self, *, older_than: datetime) -> Iterator[Path]:
        """The files that killed processes left in `incoming`."""

    def put(self, key: str, path: Path) -> None:
        """Move a finished file from `incoming` into the storage, atomically.

        Raises:
            KeyTaken: the storage has other content under this key.
        """

    def stat(self, key: str) -> StoredFile:
        """The size and time of a file; raises FileMissing."""

    def open(self, key: str, start: int = 0) -> OpenFile:
        """Open a file at the position `start`.

        Raises:
            FileMissing: at this call, not while the bytes are read.
            ValueError: the file has no byte at this position.
        """

    def delete(self, key: str) -> None:
        """Delete a file; a missing file is no error."""

    def move(self, key: str, new_key: str) -> None:
        """Rename a file; a file that was moved already is no error.

        Raises:
            FileMissing: neither key exists.
            KeyTaken: the storage has other content under `new_key`.
        """

    def list_files(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        """All files under a folder such as `profiles/2026/`, including files that the application did not create."""

    def download_url(self, key: str, filename: str, mime: str) -> str | None:
        """A URL that downloads only this file, for about a minute; None if the storage has no such URLs."""

    def accel_path(self, key: str) -> str | None:
        """The value of X-Accel-Redirect, if a web server in front can send the file."""

    def ownership_problems(self) -> Iterator[str]:
        """Files that the application or the web server in front can't read because of their owner, one line each."""


def is_key(key: str) -> bool:
    """Whether the application creates such keys."""
    return _KEY.fullmatch(key) is not None


def ensure_key(key: str) -> None:
    if not is_key(key):
        raise InvalidKey(key)


def ensure_move(key: str, new_key: str) -> None:
    ensure_key(key)
    ensure_key(new_key)
    if key == new_key:
        raise ValueError("a file can't be moved to itself")


def ensure_prefix(prefix: str) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise InvalidKey(prefix)


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Turn OSError with an errno, such as of a full, read-only or broken disk, into StorageUnavailable.

    An OSError without an errno, such as Pillow's for a damaged image, passes through.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise StorageUnavailable(errno.errorcode.get(error.errno, str(error.errno))) from error
