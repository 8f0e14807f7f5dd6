"""What is known of each stored file."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from mongoengine import DateTimeField, EnumField, IntField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core.documents import ClinicDocument, Raw
from arthomed.files.rules import Category, Kind, State


class File(ClinicDocument):
    """One stored file, of the `record` (a visit or a person) of its kind; `owner` is the person it is about.

    A file is attached when its record names it, and doomed when it is about to be removed: only what is attached
    and not doomed exists for people. `key` says where it is stored, `thumbnail` where its small picture is.
    """

    meta = {"collection": "files"}

    filename = StringField(required=True)
    key = StringField(required=True)
    thumbnail = StringField()
    kind = EnumField(Kind, required=True)
    category = EnumField(Category, required=True)
    record = ObjectIdField(required=True)
    owner = ObjectIdField(required=True)
    uploader = ObjectIdField(required=True)
    original_name = StringField(db_field="originalName", required=True)
    mime_type = StringField(db_field="mimeType", required=True)
    size = IntField(required=True)
    sha256 = StringField(required=True)
    state = EnumField(State, required=True)
    signature = StringField()
    attached_at = DateTimeField(db_field="attachedAt")
    doomed_at = DateTimeField(db_field="doomedAt")

    @property
    def keys(self) -> list[str]:
        return [self.key, self.thumbnail] if self.thumbnail else [self.key]

    @property
    def from_patient(self) -> bool:
        """Whether the person it is about has sent it."""
        return bool(self.uploader == self.owner)

    @property
    def sending(self) -> tuple[Category, ObjectId, str]:
        """The same for what one person sends to a record twice."""
        return self.category, self.uploader, self.sha256

    @property
    def folder(self) -> str:
        """Where it and its thumbnail are, with a slash at the end."""
        return f"{self.key.rpartition('/')[0]}/"

    @property
    def url(self) -> str:
        """Where people fetch it."""
        return f"/api/files/{self.filename}"

    @classmethod
    def there(cls) -> Any:
        """What exists for people."""
        return cls.objects(attached_at__ne=None, doomed_at=None)

    @classmethod
    def of_records(cls, kind: Kind, records: Iterable[ObjectId]) -> "dict[ObjectId, list[File]]":
        """The files of each record, in one query."""
        found: dict[ObjectId, list[File]] = {}
        for file in cls.there().filter(kind=kind, record__in=list(records)):
            found.setdefault(file.record, []).append(file)
        return found

    @classmethod
    def of_record(cls, kind: Kind, record: ObjectId, session: ClientSession) -> "list[File]":
        """The files of a record as a transaction sees them."""
        there = {"kind": kind, "record": record, "attachedAt": {"$ne": None}, "doomedAt": None}
        return [cls.from_raw(raw) for raw in cls.collection().find(there, session=session)]

    @classmethod
    def attach(cls, files: "Sequence[File]", *, now: datetime, session: ClientSession) -> int:
        """Let their record name them, in the transaction that makes it do so; returns how many were not doomed."""
        wanted: Raw = {"_id": {"$in": [file.id for file in files]}, "doomedAt": None}
        changes = {"$set": {"attachedAt": now, "updatedAt": now}}
        return int(cls.collection().update_many(wanted, changes, session=session).matched_count)

    @classmethod
    def doom(cls, which: Raw, *, now: datetime, session: ClientSession | None = None) -> int:
        """Let files exist for nobody any more; returns how many."""
        doomed = cls.collection().update_many(
            {"doomedAt": None, **which}, {"$set": {"doomedAt": now, "updatedAt": now}}, session=session
        )
        return int(doomed.modified_count)

    @classmethod
    def settle(cls, file_id: ObjectId, state: State, *, now: datetime, signature: str | None = None) -> bool:
        """Note the scanner's verdict, once."""
        changes: Raw = {"state": state, "updatedAt": now} | ({"signature": signature} if signature else {})
        settled = cls.collection().update_one({"_id": file_id, "state": State.WAITING}, {"$set": changes})
        return bool(settled.modified_count)
