"""A storage with what tests do to it again and again."""

import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from arthomed.core import clock
from arthomed.files.storage import Storage

KEY = "appointments/prescriptions/2026/11/appointment_672b1234_1642234567890_prescription_Zx-9_q.jpg"
OTHER = "quarantine/appointments/2026/11/appointment_672b1234_1642234567890_prescription_Zx-9_q.jpg"
CALLS: dict[str, Callable[[Storage, str], object]] = {
    "put": lambda storage, key: storage.put(key, storage.incoming() / "file"),
    "find": lambda storage, key: storage.find(key),
    "open": lambda storage, key: storage.open(key),
    "delete": lambda storage, key: storage.delete(key),
    "move from": lambda storage, key: storage.move(key, OTHER),
    "move to": lambda storage, key: storage.move(OTHER, key),
    "link": lambda storage, key: storage.link(key, "scan.jpg", "image/jpeg"),
    "accel_path": lambda storage, key: storage.accel_path(key),
}


def soon() -> datetime:
    """After all that was stored until now, whatever clock stored it."""
    return clock.now() + timedelta(minutes=1)


@dataclass(frozen=True)
class Shelf:
    """`place` says where it is, to another process; see tests/infra/filling.py."""

    storage: Storage
    place: tuple[str, ...] = ()

    def receive(self, content: bytes) -> Path:
        """A finished file in `incoming`."""
        path = self.storage.incoming() / secrets.token_hex(8)
        path.write_bytes(content)
        return path

    def put(self, content: bytes, key: str = KEY) -> None:
        self.storage.put(key, self.receive(content))

    def read(self, key: str = KEY, start: int = 0, end: int | None = None) -> bytes:
        with closing(self.storage.open(key, start, end)) as content:
            return b"".join(content)

    def list(self, prefix: str = "") -> "list[str]":
        return [found.key for found in self.storage.keys(prefix, older_than=soon())]
