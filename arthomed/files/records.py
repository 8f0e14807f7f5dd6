"""What the features above say of the records that files belong to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core.actor import Actor
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.files.scanner import Scanner
from arthomed.files.storage import FileMissing, Storage


class Records(Protocol):
    """The records of one kind."""

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        """Raises NotFound where the actor may not know of the record."""

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:
        """Within the transaction that deletes it; raises NotFound or PermissionDenied."""

    def forget(self, file: File) -> None:
        """Name it no more; nothing happens when that is done already."""

    def given_up(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:
        """Those of the records that came to nothing before then."""


@dataclass(frozen=True, slots=True)
class Cabinet:
    """Where the files of this process are, who looks at them first, and whose they are."""

    storage: Storage
    scanner: Scanner | None
    records: Mapping[Kind, Records]
    retention: timedelta

    def holds(self, file: File) -> bool:
        """Whether what is recorded of a file is stored, in its size."""
        try:
            return all(self.storage.find(key).size == file.size or key != file.key for key in file.keys)
        except FileMissing:
            return False


_cabinet: Cabinet | None = None


def use(cabinet: Cabinet) -> None:
    global _cabinet  # noqa: PLW0603  one a process, set where the parts are put together
    _cabinet = cabinet


def cabinet() -> Cabinet:
    if _cabinet is None:
        message = "no cabinet is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    return _cabinet
