"""The base of all MongoEngine documents, and transactions, which MongoEngine does not offer."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

import pymongo
from bson import ObjectId
from mongoengine import DateTimeField, Document, EmbeddedDocument, QuerySet
from mongoengine.connection import get_connection
from mongoengine.errors import OperationError
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from arthomed.core import cache, clock
from arthomed.core.errors import NotFound, ServiceUnavailable
from arthomed.core.paging import Page, PageRequest

T = TypeVar("T")
Raw = dict[str, Any]
Pipeline = list[Raw]

DUPLICATE_KEY = 11000
_UNAVAILABLE = (ConnectionFailure, ExecutionTimeout, NetworkTimeout, WaitQueueTimeoutError)


class ClinicQuerySet(QuerySet):
    def require(self, object_id: ObjectId) -> Any:
        """The document of that id within this query.

        Raises:
            NotFound: there is none, or the query leaves it out.
        """
        found = list(self.filter(id=object_id))  # `first` would copy the query and its cursor once more
        if not found:
            raise NotFound
        return found[0]

    def page(self, request: PageRequest, collation: Raw | None = None, *, total_is_minimum: bool = False) -> Page[Any]:
        """A page in the order of the collation; the count uses none, and so the indexes without one."""
        ordered = self.collation(collation) if collation else self
        items = list(ordered.skip(request.offset).limit(request.limit))
        return Page.of(items, request, self.count(), total_is_minimum=total_is_minimum)


class ClinicEmbeddedDocument(EmbeddedDocument):
    """An embedded document that, like ClinicDocument, loads stored fields that only a newer version has."""

    meta = {"abstract": True, "strict": False}


class PlainDocument(Document):
    """A document; indexes are made by migrations, never at import."""

    meta = {"abstract": True, "auto_create_index": False, "queryset_class": ClinicQuerySet, "strict": False}

    @classmethod
    def collection(cls) -> Collection[Raw]:
        """The raw collection, for transactions and for conditional updates that MongoEngine cannot express."""
        collection: Collection[Raw] = cls._get_collection()
        return collection


class ClinicDocument(PlainDocument):
    """A document with `createdAt` and `updatedAt`."""

    meta = {"abstract": True}

    created_at = DateTimeField(db_field="createdAt", required=True, default=clock.now)
    updated_at = DateTimeField(db_field="updatedAt", required=True, default=clock.now)

    @classmethod
    def from_raw(cls, raw: Raw) -> Any:
        return cls._from_son(raw)

    @classmethod
    def find_one(cls, query: Raw, session: ClientSession | None = None, **options: Any) -> Any:
        """Load one document, or None, within a transaction: a MongoEngine query would read outside of it."""
        raw = cls.collection().find_one(query, session=session, **options)
        return None if raw is None else cls.from_raw(raw)

    @classmethod
    def find_all(cls, query: Raw, session: ClientSession) -> list[Any]:
        """Load all documents of a query, within a transaction."""
        return [cls.from_raw(raw) for raw in cls.collection().find(query, session=session)]

    def insert(self, session: ClientSession | None = None) -> None:
        """Validate and insert this document, within the transaction of the session if there is one."""
        self.insert_all([self], session)

    @classmethod
    def insert_all(cls, documents: "Sequence[ClinicDocument]", session: ClientSession | None = None) -> None:
        """Validate and insert documents in one round trip.

        Raises:
            DuplicateKeyError: of the first duplicate; without a transaction, those before it are stored.
        """
        if not documents:
            return
        for document in documents:
            document.validate()
        try:
            rows = [document.to_mongo() for document in documents]
            ids = cls.collection().insert_many(rows, session=session).inserted_ids
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            if not refused or refused[0]["code"] != DUPLICATE_KEY:
                raise
            raise DuplicateKeyError(refused[0]["errmsg"], DUPLICATE_KEY, refused[0]) from error
        for document, document_id in zip(documents, ids, strict=True):
            document.id = document_id

    def save_changes(self, session: ClientSession) -> None:
        """Validate, and write the fields that changed since the document was read in the same transaction.

        Stored fields that only a newer version has stay, so a rolling deploy or a rollback loses none of them.
        The exception is an item of a list: a changed list is written as a whole.
        """
        self.validate()
        assigned, removed = self._delta()
        self.collection().update_one({"_id": self.id}, {"$set": assigned, "$unset": removed}, session=session)


class TransactionConflict(Exception):
    """Each attempt at a transaction had a write conflict; nothing is committed."""


def transaction(work: Callable[[ClientSession], T], *, max_attempts: int | None = None) -> T:
    """Run `work` in one MongoDB transaction and return what it returns.

    `work` may run several times, because write conflicts are retried. So it touches nothing but the database, always
    through the session that it is given. All its runs together take no longer than the connection's `timeoutMS`;
    without that bound the driver would retry for two minutes.

    Raises:
        ServiceUnavailable: the database could not confirm the commit.
        TransactionConflict: `max_attempts` runs had write conflicts.
    """
    attempts = count(1)

    def run(session: ClientSession) -> T:
        if max_attempts is not None and next(attempts) > max_attempts:
            raise TransactionConflict
        with cache.writing_versions(session):
            return work(session)

    client = get_connection()
    with pymongo.timeout(client.options.timeout), client.start_session() as session:
        try:
            result: T = session.with_transaction(
                run, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")
            )
        except WriteConcernError as error:  # the process slept until the transaction was too old to be committed
            raise ServiceUnavailable from error
        return result


def is_database_unavailable(error: BaseException) -> bool:
    """Whether the database did not answer in time, so that the same may work later."""
    cause = error.__context__ if isinstance(error, OperationError) else error  # MongoEngine hides the driver's errors
    return isinstance(cause, _UNAVAILABLE) or (isinstance(cause, PyMongoError) and cause.timeout)
