"""Drives a storage in tests: puts, reads and lists files."""

import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from arthomed.core import clock
from arthomed.files.storage import Storage

KEY = "appointments/prescriptions/2026/11/appointment_672b1234_1642234567890_prescription_Zx-9_q.jpg"
OTHER_KEY = "quarantine/appointments/2026/11/appointment_672b1234_1642234567890_prescription_Zx-9_q.jpg"
Call = Callable[[Storage, str], object]
CALLS: dict[str, Call] = {
    "put": lambda storage, key: storage.put(key, storage.incoming() / "file"),
    "stat": lambda storage, key: storage.stat(key),
    "open": lambda storage, key: storage.open(key),
    "delete": lambda storage, key: storage.delete(key),
    "move from": lambda storage, key: storage.move(key, OTHER_KEY),
    "move to": lambda storage, key: storage.move(OTHER_KEY, key),
    "download_url": lambda storage, key: storage.download_url(key, "scan.jpg", "image/jpeg"),
    "accel_path": lambda storage, key: storage.accel_path(key),
}
CALLS_AND_LIST: dict[str, Call] = {**CALLS, "list": lambda storage, _: list(storage.list_files(older_than=soon()))}


def soon() -> datetime:
    """Later than everything stored until now, even if the server's clock differs from ours."""
    return clock.now() + timedelta(minutes=1)


@dataclass(frozen=True)
class StorageDriver:
    """`location` opens the same storage in another process; see tests/infra/store_until_killed.py."""

    storage: Storage
    location: tuple[str, ...] = ()

    def receive(self, content: bytes) -> Path:
        """Write a finished file to `incoming`."""
        path = self.storage.incoming() / secrets.token_hex(8)
        path.write_bytes(content)
        return path

    def put(self, content: bytes, key: str = KEY) -> None:
        self.storage.put(key, self.receive(content))

    def read(self, key: str = KEY, start: int = 0) -> bytes:
        with closing(self.storage.open(key, start)) as content:
            return b"".join(content)

    def stored_keys(self, prefix: str = "") -> list[str]:
        return [found.key for found in self.storage.list_files(prefix, older_than=soon())]
