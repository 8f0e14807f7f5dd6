"""A process that stores files as fast as it can, until it is killed: `filling.py FOLDER [BUCKET...]`."""

import hashlib
import itertools
import os
import sys
import threading
from pathlib import Path

from arthomed.files.storage import Storage
from arthomed.infra.s3 import Bucket, S3Storage
from arthomed.infra.storage import LocalStorage

THREADS = 6
SIZE = 400_000


def is_whole(content: bytes) -> bool:
    return hashlib.sha256(content[32:]).digest() == content[:32]


def fill(storage: Storage, name: str) -> None:
    for number in itertools.count():
        content = os.urandom(SIZE)
        path = storage.incoming() / f"{name}-{number}"
        path.write_bytes(hashlib.sha256(content).digest() + content)
        storage.put(f"profiles/2026/11/{name}-{number}.jpg", path)


def opened(folder: str, name: str = "", region: str = "", *where_and_who: str) -> Storage:
    if not name:
        return LocalStorage(Path(folder))
    endpoint, access_key, secret_key = where_and_who
    return S3Storage(Bucket(name, region, endpoint, access_key, secret_key), Path(folder))


def main(*place: str) -> None:
    storage = opened(*place)
    for number in range(THREADS):
        threading.Thread(target=fill, args=(storage, f"user-{number}")).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
