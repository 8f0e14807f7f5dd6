"""The file store of this process: storage, malware scanner (`infra.clamav`), and the policy of each kind of record."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core.actor import Actor
from arthomed.core.installed import Installed
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.files.storage import FileMissing, Storage


class ScannerUnavailable(Exception):
    """The scanner gave no verdict, for any reason; the file must not count as clean."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`signature` names the malware that was found; None means that the file is clean."""

    signature: str | None = None


class Scanner(Protocol):
    def scan(self, content: Iterable[bytes]) -> Verdict:
        """Scan the whole content, such as an open file or `Storage.open(key)`; raises ScannerUnavailable."""


class FilePolicy(Protocol):
    """Who may access the files of one kind of record, and when they expire; the features above implement it."""

    def ensure_may_read(self, actor: Actor, file: File) -> None:
        """Raises NotFound if the actor may not see the record."""

    def ensure_may_delete(self, actor: Actor, file: File, session: ClientSession) -> None:
        """Check within the transaction that deletes the file; raises NotFound or PermissionDenied."""

    def remove_reference(self, file: File) -> None:
        """Remove the file's name from its record; repeating it is no error."""

    def cancelled_before(self, records: Collection[ObjectId], before: datetime) -> set[ObjectId]:
        """Those of the records that were cancelled or rejected before an instant."""


@dataclass(frozen=True, slots=True)
class FileStore:
    """`retention` is how long files of appointments are kept; without a `scanner`, files are ready at once."""

    storage: Storage
    scanner: Scanner | None
    policies: Mapping[Kind, FilePolicy]
    retention: timedelta

    def has_content_of(self, file: File) -> bool:
        """Whether the file and its thumbnail are stored, and the file has the recorded size."""
        try:
            return all(self.storage.stat(key).size == file.size or key != file.key for key in file.keys)
        except FileMissing:
            return False


_store = Installed[FileStore]("file store")
use, current = _store.install, _store.get
