"""Counters give out each number once and leave no gaps."""

import pytest
from pymongo.client_session import ClientSession

from arthomed.core.counters import Counter
from arthomed.core.documents import transaction
from tests import factories
from tests.factories import Records

PARALLEL = 12


class Interrupted(Exception):
    """Aborts a transaction."""


def take(session: ClientSession) -> int:
    return Counter.next("tests", session)


@pytest.mark.usefixtures("database")
def test_parallel_transactions_get_the_numbers_from_one_on() -> None:
    numbers = factories.in_parallel(PARALLEL, lambda _: transaction(take))

    assert sorted(numbers) == list(range(1, PARALLEL + 1))


@pytest.mark.usefixtures("database")
def test_an_aborted_transaction_gives_its_number_back() -> None:
    def abort(session: ClientSession) -> None:
        take(session)
        raise Interrupted

    with pytest.raises(Interrupted):
        transaction(abort)

    assert transaction(take) == 1


def test_several_numbers_are_taken_at_once(database: Records) -> None:
    assert transaction(lambda session: Counter.next("tests", session, count=3)) == 1
    assert transaction(take) == 4
    assert database.counters.find_one({"_id": "tests"}, {"_id": 0, "value": 1}) == {"value": 4}
