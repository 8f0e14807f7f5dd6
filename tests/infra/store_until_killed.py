"""Stores files as fast as possible until it is killed: `store_until_killed.py FOLDER [BUCKET REGION ...]`."""

import hashlib
import itertools
import os
import sys
import threading
from pathlib import Path

from arthomed.config_services import Bucket
from arthomed.files.storage import Storage
from arthomed.infra.s3 import S3Storage
from arthomed.infra.storage import LocalStorage

THREADS = 6
SIZE = 400_000


def is_complete(content: bytes) -> bool:
    return hashlib.sha256(content[32:]).digest() == content[:32]


def store_files(storage: Storage, name: str) -> None:
    for number in itertools.count():
        content = os.urandom(SIZE)
        path = storage.incoming() / f"{name}-{number}"
        path.write_bytes(hashlib.sha256(content).digest() + content)
        storage.put(f"profiles/2026/11/{name}-{number}.jpg", path)


def open_storage(folder: str, name: str = "", region: str = "", *credentials: str) -> Storage:
    if not name:
        return LocalStorage(Path(folder))
    endpoint, access_key, secret_key = credentials
    return S3Storage(Bucket(name, region, endpoint, access_key, secret_key), Path(folder))


def main(*location: str) -> None:
    storage = open_storage(*location)
    for number in range(THREADS):
        threading.Thread(target=store_files, args=(storage, f"user-{number}")).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
