"""Take files in: cleaned, stored and recorded, but of no record yet; then attach them, or let all of them go."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from arthomed.audit import service as audit
from arthomed.audit.models import Action
from arthomed.audit.models import Kind as Audited
from arthomed.config import settings
from arthomed.core import clock, jobs
from arthomed.core.actor import Actor
from arthomed.core.errors import ServiceUnavailable
from arthomed.files import content, rules
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.rules import Place, State
from arthomed.files.service import removing
from arthomed.files.storage import StorageUnavailable

log = structlog.get_logger()

_SECRET_BYTES = 16  # OWASP ASVS 5.0 5.3.2 asks for names of our own; these can't be guessed either


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came in: where it is for now, and what the sender calls it."""

    path: Path
    name: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def digest(self) -> str:
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def incoming() -> Path:
    """The folder for what arrives; the place is taken into use as long as there is nothing that it could lack.

    Raises:
        StorageUnavailable: it is full, or its disk is not mounted.
    """
    storage = cabinet().storage
    try:
        return storage.incoming()
    except StorageUnavailable:
        if File.objects.first() is not None:
            raise
    storage.prepare()
    return storage.incoming()


@contextmanager
def taken_in(actor: Actor, uploads: Sequence[Upload], place: Place) -> Iterator[list[File]]:
    """The uploads as files that are to be attached within; when that fails, nothing of them is left.

    Whatever a killed process leaves was attached to nothing, which the nightly purge looks for.

    Raises:
        TooManyFiles, FileTooLarge, InvalidFile: one of them is refused, and so all.
        ServiceUnavailable: they can't be looked at, or stored, at the moment.
    """
    rules.ensure_may_be_taken([upload.size for upload in uploads])
    files: list[File] = []
    try:
        with content.turn_of(actor.user_id) if uploads else nullcontext(0) as until:
            for upload in uploads:  # one by one, so that those before a refused one are known
                files += [_file(actor, upload, place, until)]
        yield files
    except BaseException:
        _let_go(files)
        raise
    _let_go([file for file in files if file.attached_at is None])
    _ask_for_scans(files)


def attach(actor: Actor, files: Sequence[File], session: ClientSession) -> list[File]:
    """Attach files to their record, within the transaction that needs them there.

    Returns them; for one that its sender has sent to the record before, such as by a request whose answer was lost,
    the one that is there, if it is.
    """
    if not files:
        return []
    there = File.of_record(files[0].kind, files[0].record, session)
    sent, good = {file.sending for file in files}, (State.WAITING, State.READY)
    again = (file for file in there if file.sending in sent and file.state in good)
    known = {file.sending: file for file in again if cabinet().holds(file)}
    now, new = clock.now(), [file for file in files if file.sending not in known]
    for file in files:
        file.attached_at = now if file in new else None
    rules.ensure_has_room(len(there), len(new))
    if File.attach(new, now=now, session=session) < len(new):
        raise ServiceUnavailable  # the purge was quicker
    for file in new:
        audit.record_change(actor, Action.CREATE, Audited.FILE, file.id, subject=file.owner, session=session)
    return [known.get(file.sending, file) for file in files]


def _file(actor: Actor, upload: Upload, place: Place, until: float) -> File:
    storage, now = cabinet().storage, clock.now()
    cleaned = content.take_in(upload.path, incoming(), until=until)
    today = clock.local_date(now, settings().policy.timezone)
    key = rules.key_of(place, cleaned.extension, now=now, today=today, secret=secrets.token_hex(_SECRET_BYTES))
    file = File(
        id=ObjectId(),
        filename=key.rpartition("/")[2],
        key=key,
        thumbnail=rules.thumbnail_of(key) if cleaned.thumbnail else None,
        kind=place.kind,
        category=place.category,
        record=place.record,
        owner=place.owner,
        uploader=actor.user_id,
        original_name=rules.shown_name(upload.name, cleaned.extension),
        mime_type=cleaned.mime_type,
        size=cleaned.size,
        sha256=cleaned.sha256,
        state=State.WAITING if cabinet().scanner else State.READY,
    )
    try:
        file.insert()
        storage.put(key, cleaned.path)
        if cleaned.thumbnail:
            storage.put(file.thumbnail, cleaned.thumbnail)
    except BaseException:
        _let_go([file])
        for left in filter(None, (cleaned.path, cleaned.thumbnail)):
            left.unlink(missing_ok=True)
        raise
    return file


def _let_go(files: Sequence[File]) -> None:
    """Remove what came to nothing; the purge does it where it can't be done now.

    What is attached stays: a commit may have been made without our being told.
    """
    if not files:  # as with most bookings
        return
    ids = [file.id for file in files]
    with suppress(PyMongoError, StorageUnavailable):
        File.doom({"_id": {"$in": ids}, "attachedAt": None}, now=clock.now())
        for file in File.objects(id__in=ids, doomed_at__ne=None):
            removing.remove(file)


def _ask_for_scans(files: Sequence[File]) -> None:
    waiting = [file for file in files if file.state is State.WAITING]
    try:
        jobs.enqueue_all([jobs.JobRequest(jobs.Job.SCAN_FILE, (str(file.id),)) for file in waiting])
    except jobs.JobsUnavailable:
        log.warning("scans_left_to_sweep", count=len(waiting))
