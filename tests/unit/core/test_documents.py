"""What every document shares, and transactions."""

from typing import Any

import pytest
from bson import ObjectId
from mongoengine import IntField
from mongoengine.errors import ValidationError
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError
from pymongo.write_concern import WriteConcern

from arthomed.core.documents import ClinicDocument, Undone, transaction
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


class TestOnce:
    def test_what_fails_came_to_nothing(self) -> None:
        def work(session: ClientSession) -> None:
            Thing(number=1).insert(session)
            raise NotFound

        with pytest.raises(Undone) as undone:
            transaction(work, once=True)

        assert isinstance(undone.value.__cause__, NotFound)
        assert Thing.objects.count() == 0

    def test_with_somebody_in_the_way_it_is_not_tried_again(self) -> None:
        (thing,) = insert_things(1)
        tries = []

        def count(session: ClientSession) -> None:
            tries.append(session)
            Thing.collection().update_one({"_id": thing.id}, {"$inc": {"number": 1}}, session=session)

        def meet_another(session: ClientSession) -> None:
            count(session)
            with pytest.raises(Undone):
                transaction(count, once=True)

        transaction(meet_another)

        assert (len(tries), Thing.objects.get(id=thing.id).number) == (2, 1)

    def test_without_the_database_it_says_so(self) -> None:
        def work(_: ClientSession) -> None:
            raise AutoReconnect

        with pytest.raises(AutoReconnect):
            transaction(work, once=True)


def test_what_no_copy_confirms_is_the_databases_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    two_copies = Thing.collection().with_options(write_concern=WriteConcern(2))  # there is one
    monkeypatch.setattr(Thing, "collection", lambda: two_copies)

    with pytest.raises(PyMongoError):
        Thing(number=1).insert()
