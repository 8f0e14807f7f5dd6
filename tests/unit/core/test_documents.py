"""The base of all documents, and transactions."""

import pytest
from mongoengine import IntField
from mongoengine.errors import ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from arthomed.core.documents import ClinicDocument, transaction
from tests import factories
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("database")


class Thing(ClinicDocument):
    meta = {"collection": "things"}  # noqa: RUF012  a class attribute in MongoEngine

    number = IntField(required=True)


def test_an_invalid_document_is_not_stored(database: Records) -> None:
    with pytest.raises(ValidationError):
        Thing().insert()

    assert database.things.count_documents({}) == 0


def test_transactions_with_a_write_conflict_are_retried_until_all_commit() -> None:
    thing = Thing(number=0)
    thing.insert()

    def work(session: ClientSession) -> None:
        Thing.collection().update_one({"_id": thing.id}, {"$inc": {"number": 1}}, session=session)

    factories.in_parallel(5, lambda _: transaction(work))

    assert Thing.objects.get(id=thing.id).number == 5


def test_an_insert_that_the_write_concern_does_not_confirm_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    two_members = Thing.collection().with_options(write_concern=WriteConcern(2))  # the replica set has one
    monkeypatch.setattr(Thing, "collection", lambda: two_members)

    with pytest.raises(PyMongoError):
        Thing(number=1).insert()
