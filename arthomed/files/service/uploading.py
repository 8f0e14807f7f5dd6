"""Store uploads: clean and store each file, then attach all of them to a record, or delete all of them."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
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
from arthomed.core.documents import transaction
from arthomed.core.errors import ServiceUnavailable
from arthomed.files import cleaner, cleaning_queue, file_store, rules
from arthomed.files.cleaner import CleanedFile
from arthomed.files.cleaning_queue import QueuedRequest
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, State, UploadTarget
from arthomed.files.service import deleting
from arthomed.files.storage import StorageUnavailable
from arthomed.users import service as users

log = structlog.get_logger()

_SECRET_BYTES = 16  # unguessable names of our own (OWASP ASVS 5.0, 5.3.2)


@dataclass(frozen=True, slots=True)
class Upload:
    """A received file: its temporary path, and its name on the client's device."""

    path: Path
    name: str

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def digest(self) -> str:
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def incoming_folder() -> Path:
    """The folder for uploads in progress; initializes the storage if no file was ever stored.

    Raises:
        StorageUnavailable: the disk is full or not mounted.
    """
    storage = file_store.current().storage
    try:
        return storage.incoming()
    except StorageUnavailable:
        if File.objects.first() is not None:
            raise
    storage.prepare()
    return storage.incoming()


def upload_profile_picture(actor: Actor, user_id: ObjectId, uploads: Sequence[Upload]) -> list[File]:
    """Store a profile picture, which replaces the previous one.

    Raises:
        TooManyFiles, FileTooLarge, InvalidFile, NotAnImage: the upload is rejected.
    """
    rules.ensure_upload_allowed([one.size for one in uploads], max_files=1)
    with stored_files(actor, uploads, UploadTarget(Kind.PROFILES, Category.AVATARS, user_id, user_id)) as files:
        rules.ensure_images([file.mime_type for file in files])

        def work(session: ClientSession) -> None:
            for file in files:
                deleting.mark_files_of(Kind.PROFILES, [user_id], session)
                attach(actor, [file], session)
                users.set_avatar(actor, user_id, file.filename, session)

        transaction(work)
    return files


@contextmanager
def stored_files(actor: Actor, uploads: Sequence[Upload], target: UploadTarget) -> Iterator[list[File]]:
    """Store the uploads; the block must attach the files. Unattached files are deleted at its end.

    The nightly purge deletes unattached files of killed processes.

    Raises:
        TooManyFiles, FileTooLarge, InvalidFile: one file is rejected, and therefore all of them.
        ServiceUnavailable: cleaning or the storage is overloaded or unavailable.
    """
    rules.ensure_upload_allowed([upload.size for upload in uploads])
    files: list[File] = []
    try:
        if uploads:
            with cleaning_queue.queue.admit(actor.user_id, files=len(uploads)) as request:
                for upload in uploads:  # not a comprehension: if one fails, the earlier ones must be deleted
                    files += [_store(actor, upload, target, _clean(upload, request))]
        yield files
    except BaseException:
        _delete_unattached(files)
        raise
    _delete_unattached([file for file in files if file.attached_at is None])
    _enqueue_scans(files)


def attach(actor: Actor, files: Sequence[File], session: ClientSession) -> list[File]:
    """Attach files to their record, within the transaction that changes the record.

    Returns the attached files. If the actor has uploaded the same content to the record before, such as by a request
    whose response was lost, the returned list has the earlier file instead.
    """
    if not files:
        return []
    existing = File.of_record(files[0].kind, files[0].record, session)
    duplicates = _duplicates(files, existing)
    now, new = clock.now(), [file for file in files if file.upload_identity not in duplicates]
    for file in files:
        file.attached_at = now if file in new else None
    rules.ensure_record_has_room(len(existing), len(new))
    if File.attach(new, now=now, session=session) < len(new):
        raise ServiceUnavailable  # the purge has marked a file for deletion
    for file in new:
        audit.record_change(actor, Action.CREATE, Audited.FILE, file.id, subject=file.owner, session=session)
    return [duplicates.get(file.upload_identity, file) for file in files]


def _duplicates(files: Sequence[File], existing: Sequence[File]) -> dict[object, File]:
    """The existing files that are identical to a new one and still readable, by their upload identity."""
    identities = {file.upload_identity for file in files}
    return {
        file.upload_identity: file
        for file in existing
        if file.upload_identity in identities
        and file.state in (State.WAITING, State.READY)
        and file_store.current().has_content_of(file)
    }


def _clean(upload: Upload, request: QueuedRequest) -> CleanedFile:
    with cleaning_queue.queue.slot(request) as deadline:
        return cleaner.clean_file(upload.path, incoming_folder(), deadline=deadline)


def _store(actor: Actor, upload: Upload, target: UploadTarget, cleaned: CleanedFile) -> File:
    store = file_store.current()
    file = _new_file(actor, upload, target, cleaned)
    try:
        file.insert()
        store.storage.put(file.key, cleaned.path)
        if cleaned.thumbnail:
            store.storage.put(file.thumbnail, cleaned.thumbnail)
    except BaseException:
        _delete_unattached([file])
        for path in filter(None, (cleaned.path, cleaned.thumbnail)):
            path.unlink(missing_ok=True)
        raise
    return file


def _new_file(actor: Actor, upload: Upload, target: UploadTarget, cleaned: CleanedFile) -> File:
    now, secret = clock.now(), secrets.token_hex(_SECRET_BYTES)
    today = clock.local_date(now, settings().policy.timezone)
    key = rules.storage_key(target, cleaned.extension, now=now, today=today, secret=secret)
    return File(
        id=ObjectId(),
        filename=key.rpartition("/")[2],
        key=key,
        thumbnail=rules.thumbnail_key(key) if cleaned.thumbnail else None,
        **asdict(target),
        uploader=actor.user_id,
        original_name=rules.download_name(upload.name, cleaned.extension),
        mime_type=cleaned.mime_type,
        size=cleaned.size,
        sha256=cleaned.sha256,
        state=State.WAITING if file_store.current().scanner else State.READY,
    )


def _delete_unattached(files: Sequence[File]) -> None:
    """Delete files that were not attached; after a failure the purge deletes them.

    Attached files stay: the transaction may have committed although its response was lost.
    """
    if not files:  # most bookings have none
        return
    ids = [file.id for file in files]
    with suppress(PyMongoError, StorageUnavailable):
        File.mark_for_deletion({"_id": {"$in": ids}, "attachedAt": None}, now=clock.now())
        for file in File.objects(id__in=ids, marked_for_deletion_at__ne=None):
            deleting.delete_marked(file)


def _enqueue_scans(files: Sequence[File]) -> None:
    waiting = [file for file in files if file.state is State.WAITING]
    try:
        jobs.enqueue_all([jobs.JobRequest(jobs.Job.SCAN_FILE, (str(file.id),)) for file in waiting])
    except jobs.JobsUnavailable:
        log.warning("scans_left_to_sweeper", count=len(waiting))
