"""What may be uploaded, how stored files are called, and how long they are kept."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from bson import ObjectId

from arthomed.core.errors import ClinicError, Code

MOST_FILES = 5
MOST_BYTES = 10 * 1024 * 1024
MOST_OF_A_RECORD = 50
UNATTACHED_KEPT = timedelta(hours=24)
QUARANTINE = "quarantine/infected"
CALLED_OFF_KEPT = timedelta(days=30)
"""How long the files of a visit that came to nothing are kept."""
SET_ASIDE_KEPT = timedelta(days=30)
"""How long there is for somebody to look at what is in quarantine without a record."""

_LONGEST_NAME, _LONGEST_TOLD = 100, 300
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})  # Unicode: control, format, surrogate, private, unassigned


class Kind(StrEnum):
    """What a file belongs to; also the type in the upload's path."""

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
    """A file waits for the scanner's verdict; without a scanner it is ready at once."""

    WAITING = "waiting"
    READY = "ready"
    INFECTED = "infected"
    MISSING = "missing"


class FileTooLarge(ClinicError):
    code: ClassVar[Code] = Code.FILE_TOO_LARGE
    message = f"A file may have at most {MOST_BYTES // 1024 // 1024} MB"


class TooManyFiles(ClinicError):
    code: ClassVar[Code] = Code.TOO_MANY_FILES
    message = f"At most {MOST_FILES} files can be sent at once"


class NoPicture(ClinicError):
    code: ClassVar[Code] = Code.INVALID_FILE_TYPE
    message = "Only JPEG and PNG pictures are accepted"


class FileNotReady(ClinicError):
    code: ClassVar[Code] = Code.FILE_NOT_READY
    message = "The file is being checked, please try again soon"


@dataclass(frozen=True, slots=True)
class Place:
    """Where files go: the record of a kind that they belong to, and the person it is about."""

    kind: Kind
    category: Category
    record: ObjectId
    owner: ObjectId


def ensure_may_be_taken(sizes: Sequence[int], most: int = MOST_FILES) -> None:
    """Raises TooManyFiles or FileTooLarge."""
    if len(sizes) > most:
        raise TooManyFiles(f"At most {most} {'file' if most == 1 else 'files'} can be sent at once")
    if any(size > MOST_BYTES for size in sizes):
        raise FileTooLarge


def ensure_are_pictures(mime_types: Sequence[str]) -> None:
    if any(not mime_type.startswith("image/") for mime_type in mime_types):
        raise NoPicture


def ensure_has_room(there: int, more: int) -> None:
    if there + more > MOST_OF_A_RECORD:
        raise TooManyFiles(f"There can be at most {MOST_OF_A_RECORD} files")


def key_of(place: Place, extension: str, *, now: datetime, today: date, secret: str) -> str:
    """Where a file is stored, as `appointments/reports/2026/11/appointment_<id>_<ms>_report_<secret>.pdf`."""
    if place.kind is Kind.PROFILES:
        folder, subject = place.kind.value, "user"
    else:
        folder, subject = f"{place.kind}/{place.category}", "appointment"
    name = f"{subject}_{place.record}_{int(now.timestamp() * 1000)}_{place.category.singular}_{secret}"
    return f"{folder}/{today:%Y/%m}/{name}.{extension}"


def thumbnail_of(key: str) -> str:
    return key.rpartition(".")[0] + "_thumbnail.jpg"


def quarantined(key: str) -> str:
    """Where a harmful file is kept, which nobody reads."""
    return key if key.startswith(f"{QUARANTINE}/") else f"{QUARANTINE}/{key}"


def shown_name(told: str, extension: str) -> str:
    """The name that a file is given back with: the sender's last path part, without tricks, with its true extension."""
    last = re.split(r"[/\\]", told)[-1]
    name = unicodedata.normalize("NFC", last[:_LONGEST_TOLD])  # takes the square of its length
    clean = "".join(char for char in name if unicodedata.category(char) not in _FORBIDDEN and char not in '"<>:|?*')
    stem = clean.rpartition(".")[0] or clean
    return f"{stem.replace('.', '_').strip(' _')[:_LONGEST_NAME] or 'file'}.{extension}"


def ensure_may_be_read(state: State) -> None:
    """Raises FileNotReady while nobody knows whether it is harmful."""
    if state is State.WAITING:
        raise FileNotReady
