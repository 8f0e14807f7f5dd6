"""Uses LocalStorage on a disk that is full, and on one that is read-only: `full_disk.py FOLDER`.

Must run in a mount namespace of its own. Prints the result of each attempt as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from arthomed.files.storage import StorageUnavailable, translate_disk_errors
from arthomed.infra.storage import LocalStorage

KEY = "profiles/2026/11/a.jpg"
OTHER_KEY = "profiles/2026/12/b.jpg"


def mount(*arguments: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", *arguments], check=True)


def put(storage: LocalStorage, key: str, path: Path) -> str:
    try:
        storage.put(key, path)
    except StorageUnavailable as error:
        return f"{error}, incoming: {path.exists()}"
    return "stored"


def write(path: Path, content: bytes) -> str:
    try:
        with translate_disk_errors(), path.open("wb") as file:
            file.write(content)
    except StorageUnavailable as error:
        return str(error)
    return "written"


def read(storage: LocalStorage) -> str:
    with closing(storage.open(KEY)) as content:
        return b"".join(content).decode()


def attempts(storage: LocalStorage, folder: str) -> Iterator[tuple[str, str]]:
    storage.prepare()
    path = storage.incoming() / "file"
    path.write_text("a scan")
    with suppress(OSError):
        for number in range(100):
            (storage.incoming() / f"filler-{number}").touch()
    yield "no inodes left", put(storage, KEY, path)
    for file in storage.incoming().glob("filler-*"):
        file.unlink()
    yield "inodes freed", put(storage, KEY, path)
    yield "content", read(storage)
    yield "no space left", write(path, bytes(100_000))
    mount("-o", "remount,ro", "tmpfs", folder)
    yield "read-only", put(storage, OTHER_KEY, path)
    yield "content on a read-only disk", read(storage)


def main(folder: str) -> None:
    mount("-o", "size=64k,nr_inodes=20", "tmpfs", folder)
    json.dump(dict(attempts(LocalStorage(Path(folder)), folder)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
