"""Upload limits, storage keys, download names and retention times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from bson import ObjectId

from arthomed.core import text
from arthomed.core.errors import ClinicError, Code

MAX_FILES = 5
_MEGABYTE = 1024 * 1024
MAX_FILE_BYTES = 10 * _MEGABYTE
MAX_FILES_PER_RECORD = 50
UNATTACHED_RETENTION = timedelta(hours=24)
CANCELLED_RETENTION = timedelta(days=30)
"""How long the files of a cancelled or rejected appointment are kept."""
QUARANTINE_RETENTION = timedelta(days=30)
"""How long a quarantined file without a record is kept for an administrator to inspect."""
INFECTED_FOLDER = "quarantine/infected"

_MAX_NAME_LENGTH, _MAX_CLIENT_NAME_LENGTH = 100, 300
_NOT_IN_NAMES = frozenset('"<>:|?*\n\t')


class Kind(StrEnum):
    """The kind of record that a file belongs to; also the last part of the upload path."""

    APPOINTMENTS = "appointments"
    PROFILES = "profiles"


class Category(StrEnum):
    PRESCRIPTIONS = "prescriptions"
    REPORTS = "reports"
    AVATARS = "avatars"

    @property
    def singular(self) -> str:
        return self.removesuffix("s")


class State(StrEnum):
    """A file is WAITING until ClamAV has scanned it; without a scanner it is READY at once."""

    WAITING = "waiting"
    READY = "ready"
    INFECTED = "infected"
    MISSING = "missing"


class FileTooLarge(ClinicError):
    code: ClassVar[Code] = Code.FILE_TOO_LARGE
    message = f"File too large. Maximum size allowed is {MAX_FILE_BYTES // _MEGABYTE}MB."


class TooManyFiles(ClinicError):
    code: ClassVar[Code] = Code.TOO_MANY_FILES
    message = f"Too many files. Maximum {MAX_FILES} files allowed."

    def __init__(self, limit: int, *, details: str) -> None:
        files = "file" if limit == 1 else "files"
        super().__init__(f"Too many files. Maximum {limit} {files} allowed.", details=details)


class NotAnImage(ClinicError):
    """A profile picture that is a PDF."""

    code: ClassVar[Code] = Code.INVALID_FILE_TYPE
    message = "Invalid file type. Only JPG and PNG files are allowed."

    def __init__(self) -> None:
        super().__init__(details="A profile picture cannot be a PDF")


class FileNotReady(ClinicError):
    code: ClassVar[Code] = Code.FILE_NOT_READY
    message = "The file is being checked, please try again soon"


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """The record that uploaded files are attached to.

    The record is about `owner`, or about the family member `dependent` of this user.
    """

    kind: Kind
    category: Category
    record: ObjectId
    owner: ObjectId
    dependent: ObjectId | None = None


def ensure_upload_allowed(sizes: Sequence[int], *, max_files: int = MAX_FILES) -> None:
    """Raises TooManyFiles or FileTooLarge."""
    if len(sizes) > max_files:
        raise TooManyFiles(max_files, details=f"{len(sizes)} files were sent")
    for number, size in enumerate(sizes, 1):
        if size > MAX_FILE_BYTES:
            raise FileTooLarge(details=f"File {number} of {len(sizes)} has {size / _MEGABYTE:.1f} MB")


def ensure_images(mime_types: Sequence[str]) -> None:
    """Raises NotAnImage."""
    if any(not mime_type.startswith("image/") for mime_type in mime_types):
        raise NotAnImage


def ensure_record_has_room(existing: int, added: int) -> None:
    """Raises TooManyFiles."""
    if existing + added > MAX_FILES_PER_RECORD:
        raise TooManyFiles(MAX_FILES_PER_RECORD, details=f"There are {existing} files already")


def ensure_scanned(state: State) -> None:
    """Raises FileNotReady while the file waits for its scan."""
    if state is State.WAITING:
        raise FileNotReady


def storage_key(target: UploadTarget, extension: str, *, now: datetime, today: date, secret: str) -> str:
    """The key of a new file, such as `appointments/reports/2026/11/appointment_<id>_<ms>_report_<secret>.pdf`."""
    if target.kind is Kind.PROFILES:
        folder, subject = target.kind.value, "user"
    else:
        folder, subject = f"{target.kind}/{target.category}", "appointment"
    name = f"{subject}_{target.record}_{int(now.timestamp() * 1000)}_{target.category.singular}_{secret}"
    return f"{folder}/{today:%Y/%m}/{name}.{extension}"


def thumbnail_key(key: str) -> str:
    return key.rpartition(".")[0] + "_thumbnail.jpg"


def quarantine_key(key: str) -> str:
    """The key of an infected file in quarantine; a key in quarantine is returned unchanged."""
    return key if key.startswith(f"{INFECTED_FOLDER}/") else f"{INFECTED_FOLDER}/{key}"


def download_name(client_name: str, extension: str) -> str:
    """A safe name for the download: the last path part of the client's name, with the detected extension."""
    last_part = re.split(r"[/\\]", client_name)[-1]
    name = text.normalise(last_part[:_MAX_CLIENT_NAME_LENGTH])
    clean = "".join(char for char in name if char not in _NOT_IN_NAMES and not text.forbidden_character(char))
    stem = clean.rpartition(".")[0] or clean
    return f"{stem.replace('.', '_').strip(' _')[:_MAX_NAME_LENGTH] or 'file'}.{extension}"
