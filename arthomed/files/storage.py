"""Where files are kept, in words that fit a folder and a bucket alike; infra implements them."""

import errno
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

INCOMING = "incoming"  # where files are while they are being made; never a key
_FOLDERS = r"(?:[a-z0-9][a-z0-9-]{0,39}/)"
_KEY = re.compile(rf"(?!{INCOMING}/){_FOLDERS}{{1,8}}[A-Za-z0-9][A-Za-z0-9_-]{{0,149}}(?:\.[a-z0-9]{{1,5}})?")
_PREFIX = re.compile(rf"(?!{INCOMING}/){_FOLDERS}{{0,8}}")


class StorageUnavailable(Exception):
    """The storage is full, read-only or out of reach; the same call may succeed later."""


class FileMissing(Exception):
    """Nothing is stored under this key."""


class KeyTaken(Exception):
    """Other content is stored under this key; nothing was overwritten."""


class InvalidKey(ValueError):
    """No name that we would give: it never reaches the storage."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`stored` is when the file came to this key; a `key` that `is_key` refuses was put there by somebody else."""

    key: str
    size: int
    stored: datetime


class OpenFile(Iterable[bytes], Protocol):
    """A file's bytes, opened already; to be closed whether or not they are read to the end.

    Iterating raises StorageUnavailable where they end too early.
    """

    @property
    def size(self) -> int:
        """Of the whole file, whatever part of it was asked for."""

    def close(self) -> None: ...


class Storage(Protocol):
    """Files under keys such as `profiles/2026/11/user_<id>_<ms>_avatar_<random>.jpg`.

    Every method raises StorageUnavailable, and InvalidKey for a key that we would never give. Whatever was cut
    off may be done again.
    """

    def prepare(self) -> None:
        """Take the place into use, once in its life: one that is not in use is taken for a disk that is away."""

    def incoming(self) -> Path:
        """The folder of this machine for files that are still being made."""

    def leftovers(self, *, older_than: datetime) -> Iterator[Path]:
        """What was left in `incoming` by processes that died."""

    def put(self, key: str, path: Path) -> None:
        """Store a finished file of `incoming`, all of it or nothing; afterwards it is no longer at `path`.

        Raises:
            KeyTaken: when other content is stored there.
        """

    def find(self, key: str) -> StoredFile:
        """Size and time, or FileMissing."""

    def open(self, key: str, start: int = 0, end: int | None = None) -> OpenFile:
        """The bytes from `start` to before `end`, or to the file's end where that comes first.

        Raises:
            FileMissing: now, not while the bytes are read.
            ValueError: when the file has no byte in this range.
        """

    def delete(self, key: str) -> None:
        """Remove it; nothing happens when it is not there."""

    def move(self, key: str, new_key: str) -> None:
        """Give it another key, for quarantine; nothing happens when that is done already.

        Raises:
            FileMissing: when it is under neither.
            KeyTaken: when other content is under the new one.
        """

    def keys(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        """Everything stored before an instant under a folder such as `profiles/2026/`, strangers' files included."""

    def link(self, key: str, filename: str, mime: str) -> str | None:
        """A URL that downloads this file, and no other, for about a minute; None where there are no such URLs."""

    def accel_path(self, key: str) -> str | None:
        """What X-Accel-Redirect is to say, where a web server in front can send the file."""


def is_key(key: str) -> bool:
    """Whether we would give a file this key."""
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


def ensure_range(start: int, end: int | None) -> None:
    if start < 0 or (end is not None and end <= start):
        raise ValueError(f"no bytes from {start} to {end}")


@contextmanager
def reaching_disk() -> Iterator[None]:
    """What the system says of a full, read-only or broken disk becomes StorageUnavailable.

    An OSError without a number, such as Pillow's of a bad image, passes.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise StorageUnavailable(errno.errorcode.get(error.errno, str(error.errno))) from error
