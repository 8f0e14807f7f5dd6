"""The metadata of each stored file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongoengine import DateTimeField, EnumField, IntField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core import cache
from arthomed.core.documents import ClinicDocument, Raw
from arthomed.files.rules import Category, Kind, State

_AVAILABLE: Raw = {"attachedAt": {"$ne": None}, "doomedAt": None}


class File(ClinicDocument):
    """One stored file of a `record` (an appointment or a user).

    The file is about `owner`, or about the family member `dependent` of this user.

    A file is available to users once it is attached to its record and until it is marked for deletion. `key` is the
    storage key of the file, `thumbnail` that of its thumbnail.
    """

    meta = {"collection": "files"}

    filename = StringField(required=True)
    key = StringField(required=True)
    thumbnail = StringField()
    kind = EnumField(Kind, required=True)
    category = EnumField(Category, required=True)
    record = ObjectIdField(required=True)
    owner = ObjectIdField(required=True)
    dependent = ObjectIdField()
    uploader = ObjectIdField(required=True)
    original_name = StringField(db_field="originalName", required=True)
    mime_type = StringField(db_field="mimeType", required=True)
    size = IntField(required=True)
    sha256 = StringField(required=True)
    state = EnumField(State, required=True)
    signature = StringField()
    attached_at = DateTimeField(db_field="attachedAt")
    marked_for_deletion_at = DateTimeField(db_field="doomedAt")

    @property
    def keys(self) -> list[str]:
        return [self.key, self.thumbnail] if self.thumbnail else [self.key]

    @property
    def from_patient(self) -> bool:
        """Whether the person whom the file is about has uploaded it."""
        return bool(self.uploader == self.owner)

    @property
    def upload_identity(self) -> tuple[Category, ObjectId, str]:
        """Equal for two files of a record with the same category, uploader and content."""
        return self.category, self.uploader, self.sha256

    @property
    def folder(self) -> str:
        """The storage folder of the file and its thumbnail, with a trailing slash."""
        return f"{self.key.rpartition('/')[0]}/"

    @property
    def url(self) -> str:
        """The path of the API that downloads the file."""
        return f"/api/files/{self.filename}"

    @classmethod
    def available(cls) -> Any:
        """The files that are attached and not marked for deletion."""
        return cls.objects(attached_at__ne=None, marked_for_deletion_at=None)

    @classmethod
    def follow(cls, states: Mapping[ObjectId, State]) -> None:
        """Declare that a response shows files in these states: workers change and delete files without a cache tag."""
        if states:
            available = cls.available().filter(id__in=list(states))
            cache.valid_while(lambda: dict(available.scalar("id", "state")) == states)

    @classmethod
    def of_records(cls, kind: Kind, records: Iterable[ObjectId]) -> "dict[ObjectId, list[File]]":
        """The available files of each record, in one query."""
        found: dict[ObjectId, list[File]] = {}
        for file in cls.available().filter(kind=kind, record__in=list(records)):
            found.setdefault(file.record, []).append(file)
        return found

    @classmethod
    def of_record(cls, kind: Kind, record: ObjectId, session: ClientSession) -> "list[File]":
        """The available files of a record, read within a transaction."""
        query = {"kind": kind, "record": record, **_AVAILABLE}
        return [cls.from_raw(raw) for raw in cls.collection().find(query, session=session)]

    @classmethod
    def attach(cls, files: "Sequence[File]", *, now: datetime, session: ClientSession) -> int:
        """Make files available, within the transaction that changes their record; returns how many were attached.

        Files that the purge has marked for deletion in the meantime are not attached.
        """
        query: Raw = {"_id": {"$in": [file.id for file in files]}, "doomedAt": None}
        changes = {"$set": {"attachedAt": now, "updatedAt": now}}
        return int(cls.collection().update_many(query, changes, session=session).matched_count)

    @classmethod
    def mark_for_deletion(cls, query: Raw, *, now: datetime, session: ClientSession | None = None) -> int:
        """Hide files from all users until they are deleted; returns how many."""
        marked = cls.collection().update_many(
            {"doomedAt": None, **query}, {"$set": {"doomedAt": now, "updatedAt": now}}, session=session
        )
        return int(marked.modified_count)

    @classmethod
    def hand_over(cls, owner: ObjectId, dependent: ObjectId, new_owner: ObjectId, session: ClientSession) -> None:
        """Make the files of a family member, who has become a patient, those of this patient."""
        update: Raw = {"$set": {"owner": new_owner}, "$unset": {"dependent": ""}}
        cls.collection().update_many({"owner": owner, "dependent": dependent}, update, session=session)

    @classmethod
    def of_person(cls, owner: ObjectId, dependent: ObjectId | None) -> Any:
        """The files of a user's appointments, or of those for a family member, the newest first."""
        return cls.available().filter(owner=owner, dependent=dependent, kind=Kind.APPOINTMENTS).order_by("-id")

    @classmethod
    def set_scan_result(cls, file_id: ObjectId, state: State, *, now: datetime, signature: str | None = None) -> bool:
        """Save the scanner's verdict if the file still waits for it; returns whether it did."""
        changes: Raw = {"state": state, "updatedAt": now} | ({"signature": signature} if signature else {})
        updated = cls.collection().update_one({"_id": file_id, "state": State.WAITING}, {"$set": changes})
        return bool(updated.modified_count)
