"""What every document shares, and transactions."""

from typing import Any

import pytest
from bson import ObjectId
from mongoengine import IntField
from mongoengine.errors import ValidationError
from pymongo.client_session import ClientSession
from pymongo.database import Database

from arthomed.core.documents import ClinicDocument, transaction
from arthomed.core.errors import NotFound
from arthomed.core.paging import PageRequest
from tests import factories

pytestmark = pytest.mark.usefixtures("database")


class Thing(ClinicDocument):
    meta = {"collection": "things"}  # noqa: RUF012  MongoEngine's way

    number = IntField(required=True)


def insert_things(count: int) -> list[Thing]:
    things = [Thing(number=number) for number in range(count)]
    for thing in things:
        thing.insert()
    return things


def test_a_document_is_found_by_its_id() -> None:
    (thing,) = insert_things(1)

    assert Thing.objects.require(thing.id).number == 0


def test_a_document_that_the_query_leaves_out_is_not_found() -> None:
    (thing,) = insert_things(1)

    with pytest.raises(NotFound):
        Thing.objects(number=1).require(thing.id)


def test_an_id_that_nobody_has_is_not_found() -> None:
    with pytest.raises(NotFound):
        Thing.objects.require(ObjectId())


def test_a_page_has_its_items_and_the_total_of_all() -> None:
    insert_things(5)

    page = Thing.objects.order_by("number").page(PageRequest(page=2, limit=2))

    assert ([one.number for one in page.items], page.pagination.total) == ([2, 3], 5)


def test_a_document_that_is_not_valid_is_not_stored(database: Database[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        Thing().insert()

    assert database.things.count_documents({}) == 0


def test_what_a_transaction_wrote_is_there_after_it() -> None:
    transaction(lambda session: Thing(number=1).insert(session))

    assert Thing.objects.count() == 1


def test_a_transaction_that_fails_leaves_nothing() -> None:
    def work(session: ClientSession) -> None:
        Thing(number=1).insert(session)
        raise NotFound

    with pytest.raises(NotFound):
        transaction(work)
    assert Thing.objects.count() == 0


def test_transactions_that_meet_on_a_document_all_take_effect() -> None:
    (thing,) = insert_things(1)

    def work(session: ClientSession) -> None:
        Thing.collection().update_one({"_id": thing.id}, {"$inc": {"number": 1}}, session=session)

    factories.at_once(5, lambda _: transaction(work))

    assert Thing.objects.get(id=thing.id).number == 5
