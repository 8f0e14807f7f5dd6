"""Give files out, to who may read the record that they belong to."""

from dataclasses import dataclass

from arthomed.audit import service as audit
from arthomed.audit.models import Kind as Audited
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound
from arthomed.files import rules
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import State

_JPEG = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file, or its thumbnail, as it is handed out; `etag` changes with the bytes."""

    key: str
    name: str
    mime_type: str
    etag: str


def give(actor: Actor, filename: str, *, small: bool = False) -> Sheet:
    """A file that the actor may read; noted in the audit trail.

    Raises:
        NotFound: there is none that this person may know of, or it was found harmful.
        FileNotReady: it was not looked at yet.
    """
    file: File | None = File.there().filter(filename=filename, state__in=[State.WAITING, State.READY]).first()
    if file is None or (small and not file.thumbnail):
        raise NotFound
    cabinet().records[file.kind].ensure_may_read(actor, file)
    rules.ensure_may_be_read(file.state)
    audit.record_read(actor, Audited.FILE, [file.id], [file.owner])
    if small:
        return Sheet(file.thumbnail, f"thumbnail_{file.original_name}", _JPEG, f"{file.sha256}-thumbnail")
    return Sheet(file.key, file.original_name, file.mime_type, file.sha256)
