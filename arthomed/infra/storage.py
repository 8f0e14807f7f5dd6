"""Files in a folder of this machine."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from arthomed.files.storage import (
    INCOMING,
    FileMissing,
    KeyTaken,
    OpenFile,
    Storage,
    StorageUnavailable,
    StoredFile,
    ensure_key,
    ensure_move,
    ensure_prefix,
    ensure_range,
    reaching_disk,
)

_CHUNK = 64 * 1024
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_OTHERS = {INCOMING, "lost+found", ".gitkeep"}  # names beside the stored folders


class Source(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class Reading:
    """`count` bytes of a source that stands at the first of them."""

    def __init__(
        self, source: Source, *, size: int, count: int, reaching: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.size = size
        self._source = source
        self._left = count
        self._reaching = reaching

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0:
            with self._reaching():
                chunk = self._source.read(min(_CHUNK, self._left))
            if not chunk:
                raise StorageUnavailable("the file ends too early")
            self._left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._source.close()


class Incoming:
    """The folder of this machine for files that are still being made, whatever the storage."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder

    def prepare(self) -> None:
        with reaching_disk():
            _make_folder(self._incoming)

    def incoming(self) -> Path:
        self.prepare()
        return self._incoming

    def leftovers(self, *, older_than: datetime) -> Iterator[Path]:
        with reaching_disk():
            for entry in sorted(self.incoming().iterdir()):
                with suppress(FileNotFoundError):  # it was finished meanwhile
                    if _modified(entry.lstat()) < older_than:
                        yield entry


class LocalStorage(Incoming):
    """Files of mode 0600 in folders of mode 0700; `accel_prefix` is the internal location of a web server in front.

    The folder must be on one file system that knows hard links: a finished file gets its name by one, which unlike
    a rename never overwrites. A folder without `incoming` is one whose disk is not mounted: it takes no files, and
    knows nothing of what is missing.
    """

    def __init__(self, root: Path, *, accel_prefix: str | None = None) -> None:
        self._root = root.absolute()
        self._accel_prefix = accel_prefix
        super().__init__(self._root / INCOMING)

    def incoming(self) -> Path:
        self._ensure_in_use()
        return self._incoming

    def put(self, key: str, path: Path) -> None:
        ensure_key(key)
        with reaching_disk():
            path.chmod(_PRIVATE_FILE)
            _sync(path)
            self._rename(path, key)

    def find(self, key: str) -> StoredFile:
        ensure_key(key)
        with reaching_disk():
            try:
                found = (self._root / key).lstat()
            except FileNotFoundError as error:
                raise self._missing(key) from error
        if not S_ISREG(found.st_mode):
            raise FileMissing(key)
        return StoredFile(key, found.st_size, _modified(found))

    def open(self, key: str, start: int = 0, end: int | None = None) -> OpenFile:
        ensure_range(start, end)
        size = self.find(key).size
        if start >= size and (start, end) != (0, None):
            raise ValueError(f"no bytes from {start} in {size}")
        with reaching_disk():
            try:
                source = (self._root / key).open("rb", buffering=0)
            except FileNotFoundError as error:
                raise self._missing(key) from error
            source.seek(start)
        count = min(size, size if end is None else end) - start
        return Reading(source, size=size, count=count, reaching=reaching_disk)

    def delete(self, key: str) -> None:
        ensure_key(key)
        with reaching_disk():
            self._ensure_in_use()
            (self._root / key).unlink(missing_ok=True)

    def move(self, key: str, new_key: str) -> None:
        ensure_move(key, new_key)
        if is_moved(self, key, new_key):
            return
        with reaching_disk():
            self._rename(self._root / key, new_key)

    def keys(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        ensure_prefix(prefix)
        with reaching_disk():
            self._ensure_in_use()
            for path in self._files(self._root / prefix):
                with suppress(FileNotFoundError):  # removed meanwhile
                    found = path.lstat()
                    if _modified(found) < older_than:
                        yield StoredFile(path.relative_to(self._root).as_posix(), found.st_size, _modified(found))

    def link(self, key: str, filename: str, mime: str) -> str | None:  # noqa: ARG002  the storage's protocol
        ensure_key(key)
        return None

    def accel_path(self, key: str) -> str | None:
        ensure_key(key)
        return None if self._accel_prefix is None else f"{self._accel_prefix.rstrip('/')}/{key}"

    def _rename(self, path: Path, key: str) -> None:
        target = self._root / key
        os.utime(path)
        _make_folder(target.parent)
        try:
            os.link(path, target)
        except FileExistsError as error:
            if digest(path) != digest(target):
                raise KeyTaken(key) from error
        _sync(target.parent)
        path.unlink()

    def _missing(self, key: str) -> FileMissing:
        self._ensure_in_use()
        return FileMissing(key)

    def _ensure_in_use(self) -> None:
        if not self._incoming.is_dir():
            raise StorageUnavailable(f"no {INCOMING}/ in the folder of files")

    def _files(self, folder: Path) -> Iterator[Path]:
        try:
            entries = sorted(folder.iterdir())
        except FileNotFoundError:
            return
        for entry in entries:
            if folder == self._root and entry.name in _OTHERS:
                continue
            if entry.is_dir() and not entry.is_symlink():
                yield from self._files(entry)
            else:
                yield entry


def is_moved(storage: Storage, key: str, new_key: str) -> bool:
    """Whether only the new one is there; raises FileMissing where neither is."""
    try:
        storage.find(key)
    except FileMissing:
        storage.find(new_key)
        return True
    return False


def digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """Until now a power cut could undo what was done to a file, or to the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _modified(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)
