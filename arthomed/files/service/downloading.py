"""Download files, for users who may read the record that a file belongs to."""

from dataclasses import dataclass

from arthomed.audit import service as audit
from arthomed.audit.models import Kind as Audited
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound
from arthomed.files import file_store, rules
from arthomed.files.models import File
from arthomed.files.rules import State

_JPEG = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Download:
    """The storage key of a file or thumbnail, with its response headers; `etag` changes with the content."""

    key: str
    name: str
    mime_type: str
    etag: str


def get_download(actor: Actor, filename: str, *, thumbnail: bool = False) -> Download:
    """Get a file that the actor may read, and record the access in the audit trail.

    Raises:
        NotFound: no such file that the actor may read, or the scanner found it infected.
        FileNotReady: the file waits for its scan.
    """
    readable = [State.WAITING, State.READY]
    file: File | None = File.available().filter(filename=filename, state__in=readable).first()
    if file is None or (thumbnail and not file.thumbnail):
        raise NotFound
    file_store.current().policies[file.kind].ensure_may_read(actor, file)
    rules.ensure_scanned(file.state)
    audit.record_read(actor, Audited.FILE, [file.id], [file.owner])
    if thumbnail:
        return Download(file.thumbnail, f"thumbnail_{file.original_name}", _JPEG, f"{file.sha256}-thumbnail")
    return Download(file.key, file.original_name, file.mime_type, file.sha256)
