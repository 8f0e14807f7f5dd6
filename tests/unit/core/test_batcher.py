"""Group commit: batches, their outcomes and their failures."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from arthomed.core.batcher import Batcher
from arthomed.core.errors import NotFound, ServiceUnavailable
from tests.stack import wait_for

pytestmark = pytest.mark.usefixtures("database")

FIRST = 0
Process = Callable[[Sequence[int]], Sequence[int | Exception]]


class Recorder:
    """Processes items; holds the batch of the first item back until the others wait."""

    def __init__(
        self, process: Callable[[Sequence[int]], Sequence[int | Exception]], keys: Callable[[int], str]
    ) -> None:
        self.batches: list[list[int]] = []
        self.arrived = 0
        self._process, self._keys = process, keys
        self.started, self.may_go_on = Event(), Event()
        self.batcher = Batcher(self._record, keys=self._note_arrival)

    def _note_arrival(self, item: int) -> Sequence[str]:
        self.arrived += 1
        return (self._keys(item),)

    def _record(self, items: Sequence[int], _session: ClientSession) -> Sequence[int | Exception]:
        self.batches.append(list(items))
        if FIRST in items and len(self.batches) == 1:
            self.started.set()
            self.may_go_on.wait()
            return [item * 10 for item in items]
        return self._process(items)

    @contextmanager
    def holding(self, count: int) -> Iterator[list["Future[int]"]]:
        """The first item is being processed, and `count` further ones wait for it."""
        with ThreadPoolExecutor(count + 1) as pool:
            futures = [pool.submit(self.batcher, FIRST)]
            self.started.wait()
            for item in range(1, count + 1):
                futures.append(pool.submit(self.batcher, item))
                wait_for(lambda: self.arrived == len(futures), what="the arrival of an item")
            Event().wait(0.2)  # until the last one waits
            yield futures
            self.may_go_on.set()


def tenfold(items: Sequence[int]) -> list[int | Exception]:
    return [item * 10 for item in items]


def process(items: int, work: Process, keys: Callable[[int], str] = str) -> tuple[Recorder, list["Future[int]"]]:
    recorder = Recorder(work, keys)
    with recorder.holding(items) as futures:
        pass
    return recorder, futures


def test_items_that_arrive_during_a_batch_form_the_next_one() -> None:
    recorder, futures = process(4, tenfold)

    assert recorder.batches == [[0], [1, 2, 3, 4]]
    assert [one.result() for one in futures] == [0, 10, 20, 30, 40]


def test_items_with_a_common_key_are_in_different_batches() -> None:
    recorder, futures = process(4, tenfold, keys=lambda item: "odd" if item % 2 else f"even {item}")

    assert recorder.batches == [[0], [1, 2, 4], [3]]
    assert [one.result() for one in futures] == [0, 10, 20, 30, 40]


def test_an_exception_as_an_outcome_is_raised_to_its_caller_only() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        return [NotFound() if item == 2 else item * 10 for item in items]

    recorder, futures = process(3, work)

    assert recorder.batches == [[0], [1, 2, 3]]
    assert [type(one.exception()) for one in futures] == [type(None), type(None), NotFound, type(None)]


def test_the_items_of_a_failed_batch_are_processed_alone() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        if 2 in items:
            raise NotFound
        return [item * 10 for item in items]

    recorder, futures = process(3, work)

    assert recorder.batches[:2] == [[0], [1, 2, 3]]
    assert sorted(recorder.batches[2:]) == [[1], [2], [3]]
    assert [type(one.exception()) for one in futures] == [type(None), type(None), NotFound, type(None)]


def test_without_the_database_all_waiting_callers_fail_at_once_and_later_ones_are_served() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        if 1 in items:
            raise AutoReconnect
        return tenfold(items)

    recorder, futures = process(3, work, keys=lambda item: "odd" if item % 2 else f"even {item}")

    assert recorder.batches == [[0], [1, 2]]  # the third item waited for the next batch
    error, *others = [one.exception() for one in futures[1:]]
    assert isinstance(error, AutoReconnect)  # the error handler opens the circuit breaker for this one
    assert [type(one) for one in others] == [ServiceUnavailable] * 2
    assert [one.__cause__ for one in others if one is not None] == [error] * 2
    assert others[0] is not others[1]  # raising an exception in two threads would mix their tracebacks
    assert recorder.batcher(5) == 50


def test_a_process_that_is_about_to_exit_leaves_no_caller_waiting() -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        raise SystemExit

    _, futures = process(3, work)

    assert sorted(type(one.exception()).__name__ for one in futures[1:]) == [
        *("ServiceUnavailable", "ServiceUnavailable", "SystemExit")
    ]


@pytest.mark.parametrize("error", [NotFound, RuntimeError])
def test_a_single_item_raises_its_own_error(error: type[Exception]) -> None:
    def work(items: Sequence[int], session: ClientSession) -> list[int | Exception]:
        raise error

    with pytest.raises(error):
        Batcher(work, keys=lambda item: (item,))(1)


def test_an_item_with_a_lasting_write_conflict_delays_no_other(database: Database[Any]) -> None:
    def write(items: Sequence[int], session: ClientSession) -> list[int | Exception]:
        for item in items:
            database.things.update_one({"_id": item}, {"$inc": {"number": 1}}, session=session)
        return [item * 10 for item in items]

    database.things.insert_many([{"_id": item, "number": 0} for item in range(4)])
    batcher = Batcher(write, keys=lambda item: (item,))
    with ThreadPoolExecutor(4) as pool:
        with get_connection().start_session() as session, session.start_transaction():
            database.things.update_one({"_id": 0}, {"$set": {"locked": True}}, session=session)
            locked, *others = [pool.submit(batcher, item) for item in range(4)]
            assert [one.result() for one in others] == [10, 20, 30]
            assert not locked.done()
            session.abort_transaction()
        assert locked.result() == 0
    assert database.things.distinct("number") == [1]
