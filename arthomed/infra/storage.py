"""File storage in a folder of this machine."""

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
    translate_disk_errors,
)
from arthomed.infra.system_users import user_name, users_of_program

_CHUNK_BYTES = 64 * 1024
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_IGNORED = {INCOMING, "lost+found", ".gitkeep"}  # entries of the root that hold no stored files


class ByteSource(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class ChunkedFile:
    """The next `length` bytes of a source, in chunks."""

    def __init__(
        self, source: ByteSource, *, length: int, translate_errors: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._source = source
        self._remaining = length
        self._translate_errors = translate_errors

    def __iter__(self) -> Iterator[bytes]:
        while self._remaining > 0:
            with self._translate_errors():
                chunk = self._source.read(min(_CHUNK_BYTES, self._remaining))
            if not chunk:
                raise StorageUnavailable("the file ends too early")
            self._remaining -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._source.close()


class IncomingFolder:
    """The folder of this machine for unfinished files, which every storage has."""

    def __init__(self, folder: Path) -> None:
        self._incoming = folder

    def prepare(self) -> None:
        with translate_disk_errors():
            _make_folder(self._incoming)

    def incoming(self) -> Path:
        self.prepare()
        return self._incoming

    def leftovers(self, *, older_than: datetime) -> Iterator[Path]:
        with translate_disk_errors():
            for entry in sorted(self.incoming().iterdir()):
                with suppress(FileNotFoundError):  # moved into the storage in the meantime
                    if _modified(entry.lstat()) < older_than:
                        yield entry


class LocalStorage(IncomingFolder):
    """Stores files with mode 0600 in folders with mode 0700.

    `accel_prefix` is the internal location of a web server in front. The folder must be on one file system with hard
    links: a new file gets its key by a hard link, which unlike a rename never overwrites. A folder without `incoming`
    counts as a disk that is not mounted: every method raises StorageUnavailable, and no file counts as missing.
    """

    def __init__(self, root: Path, *, accel_prefix: str | None = None) -> None:
        self._root = root.absolute()
        self._accel_prefix = accel_prefix
        super().__init__(self._root / INCOMING)

    def incoming(self) -> Path:
        self._ensure_mounted()
        return self._incoming

    def put(self, key: str, path: Path) -> None:
        ensure_key(key)
        with translate_disk_errors():
            path.chmod(_FILE_MODE)
            _sync(path)
            self._move_in(path, key)

    def stat(self, key: str) -> StoredFile:
        ensure_key(key)
        with translate_disk_errors():
            try:
                status = (self._root / key).lstat()
            except FileNotFoundError as error:
                raise self._missing(key) from error
        if not S_ISREG(status.st_mode):
            raise FileMissing(key)
        return _stored(key, status)

    def open(self, key: str, start: int = 0) -> OpenFile:
        size = self.stat(key).size
        if start and not 0 <= start < size:
            raise ValueError(f"no byte {start} in {size}")
        with translate_disk_errors():
            try:
                source = (self._root / key).open("rb", buffering=0)
            except FileNotFoundError as error:
                raise self._missing(key) from error
            source.seek(start)
        return ChunkedFile(source, length=size - start, translate_errors=translate_disk_errors)

    def delete(self, key: str) -> None:
        ensure_key(key)
        with translate_disk_errors():
            self._ensure_mounted()
            (self._root / key).unlink(missing_ok=True)

    def move(self, key: str, new_key: str) -> None:
        ensure_move(key, new_key)
        if is_moved(self, key, new_key):
            return
        with translate_disk_errors():
            self._move_in(self._root / key, new_key)

    def list_files(self, prefix: str = "", *, older_than: datetime) -> Iterator[StoredFile]:
        ensure_prefix(prefix)
        with translate_disk_errors():
            self._ensure_mounted()
            for path in self._files(self._root / prefix):
                with suppress(FileNotFoundError):  # deleted in the meantime
                    status = path.lstat()
                    if _modified(status) < older_than:
                        key = path.relative_to(self._root).as_posix()
                        yield _stored(key, status)

    def download_url(self, key: str, filename: str, mime: str) -> str | None:  # noqa: ARG002  part of the Storage protocol
        ensure_key(key)
        return None

    def accel_path(self, key: str) -> str | None:
        ensure_key(key)
        return None if self._accel_prefix is None else f"{self._accel_prefix.rstrip('/')}/{key}"

    def ownership_problems(self) -> Iterator[str]:
        with translate_disk_errors():
            self._ensure_mounted()
            owner = self._root.stat().st_uid
            for path in self._root.rglob("*"):
                with suppress(FileNotFoundError):  # deleted in the meantime
                    if (other := path.lstat().st_uid) != owner and path.name != "lost+found":
                        key = path.relative_to(self._root).as_posix()
                        yield f"belongs to {user_name(other)} instead of {user_name(owner)}: {key}"
        workers = users_of_program("nginx") - {0} if self._accel_prefix else set()
        if workers and owner not in workers:
            yield (
                f"nginx runs as {', '.join(map(user_name, sorted(workers)))} and gets 403 for files of "
                f"{user_name(owner)}: set `user {user_name(owner)};` in nginx.conf"
            )

    def _move_in(self, path: Path, key: str) -> None:
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
        self._ensure_mounted()
        return FileMissing(key)

    def _ensure_mounted(self) -> None:
        if not self._incoming.is_dir():
            raise StorageUnavailable(f"the folder of files has no {INCOMING}/")

    def _files(self, folder: Path) -> Iterator[Path]:
        try:
            entries = sorted(folder.iterdir())
        except FileNotFoundError:
            return
        for entry in entries:
            if folder == self._root and entry.name in _IGNORED:
                continue
            if entry.is_dir() and not entry.is_symlink():
                yield from self._files(entry)
            else:
                yield entry


def is_moved(storage: Storage, key: str, new_key: str) -> bool:
    """Whether only `new_key` exists; raises FileMissing if neither key exists."""
    try:
        storage.stat(key)
    except FileMissing:
        storage.stat(new_key)
        return True
    return False


def digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, so that a power cut cannot lose the change."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(key: str, status: os.stat_result) -> StoredFile:
    etag = f"{int(status.st_mtime):x}-{status.st_size:x}"  # as ngx_http_set_etag of nginx
    return StoredFile(key, status.st_size, _modified(status), etag)


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)
