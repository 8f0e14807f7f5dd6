"""The base of all documents, and transactions."""

from typing import Any

import pytest
from bson import ObjectId
from mongoengine import IntField
from mongoengine.errors import ValidationError
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from arthomed.core.documents import ClinicDocument, transaction
from arthomed.core.errors import NotFound
from arthomed.core.paging import PageRequest
from tests import factories

pytestmark = pytest.mark.usefixtures("database")


class Thing(ClinicDocument):
    meta = {"collection": "things"}  # noqa: RUF012  a class attribute in MongoEngine

    number = IntField(required=True)


def insert_things(count: int) -> list[Thing]:
    things = [Thing(number=number) for number in range(count)]
    for thing in things:
        thing.insert()
    return things


def test_require_returns_the_document_of_an_id() -> None:
    (thing,) = insert_things(1)

    assert Thing.objects.require(thing.id).number == 0


def test_require_raises_for_a_document_outside_the_query() -> None:
    (thing,) = insert_things(1)

    with pytest.raises(NotFound):
        Thing.objects(number=1).require(thing.id)


def test_require_raises_for_an_unknown_id() -> None:
    with pytest.raises(NotFound):
        Thing.objects.require(ObjectId())


def test_a_page_has_its_items_and_the_total_of_all_pages() -> None:
    insert_things(5)

    page = Thing.objects.order_by("number").page(PageRequest(page=2, limit=2))

    assert ([one.number for one in page.items], page.pagination.total) == ([2, 3], 5)


def test_an_invalid_document_is_not_stored(database: Database[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        Thing().insert()

    assert database.things.count_documents({}) == 0


def test_a_committed_transaction_stores_its_writes() -> None:
    transaction(lambda session: Thing(number=1).insert(session))

    assert Thing.objects.count() == 1


def test_a_failed_transaction_stores_nothing() -> None:
    def work(session: ClientSession) -> None:
        Thing(number=1).insert(session)
        raise NotFound

    with pytest.raises(NotFound):
        transaction(work)
    assert Thing.objects.count() == 0


def test_transactions_with_a_write_conflict_are_retried_until_all_commit() -> None:
    (thing,) = insert_things(1)

    def work(session: ClientSession) -> None:
        Thing.collection().update_one({"_id": thing.id}, {"$inc": {"number": 1}}, session=session)

    factories.at_once(5, lambda _: transaction(work))

    assert Thing.objects.get(id=thing.id).number == 5


def test_an_insert_that_the_write_concern_does_not_confirm_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    two_members = Thing.collection().with_options(write_concern=WriteConcern(2))  # the replica set has one
    monkeypatch.setattr(Thing, "collection", lambda: two_members)

    with pytest.raises(PyMongoError):
        Thing(number=1).insert()
