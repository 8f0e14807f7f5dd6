"""Several threads want something at the same moment: it is done in one go, and none pays for another."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event
from typing import Self

import pytest
from pymongo.errors import AutoReconnect

from arthomed.core import together, underway
from arthomed.core.documents import Undone
from arthomed.core.errors import NotFound, ServiceUnavailable
from arthomed.core.together import Together, Work
from tests.stack import wait_for

SOON = 20
"""Seconds, before the longest waiting is over."""
Outcomes = Sequence[str | Exception | None]


class Batches:
    """Work that notes its batches, the first of which waits to be let go, so that others gather behind it."""

    def __init__(self, work: Work[str, str | None], *, gathers: bool = False) -> None:
        self.done = list[list[str]]()
        self.alone = list[str]()
        self.is_let_go = Event()
        self._work = work
        self.wish = Together(self._note, names=lambda wish: {wish[0]}, gathers=gathers)

    def _note(self, wishes: Sequence[str], *, once: bool) -> Outcomes:
        if once:
            self.done.append(list(wishes))
            if len(self.done) == 1:
                self.is_let_go.wait()
        else:
            self.alone += wishes
        return self._work(wishes, once=once)

    @contextmanager
    def gathering(self, *wishes: str) -> Iterator[dict[str, "Future[str | None]"]]:
        """The first wish is being served, and the others wait for it in this order; in the end all go on."""
        with ThreadPoolExecutor(len(wishes)) as threads:
            asked = dict[str, Future[str | None]]()
            try:
                for number, wish in enumerate(wishes):
                    asked[wish] = threads.submit(self.wish, wish)
                    wait_for(partial(self._has, number), what="it to wait")
                yield asked
            finally:
                self.is_let_go.set()

    def wait_until_waiting(self, many: int) -> None:
        wait_for(lambda: len(self.wish._waiting) == many, what="it to wait")

    def _has(self, waiting: int) -> bool:
        return bool(self.done) and len(self.wish._waiting) == waiting


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE_SECONDS", 60)


def upper(wishes: Sequence[str], **_: bool) -> Outcomes:
    return [wish.upper() for wish in wishes]


def test_who_comes_first_is_served_at_once_and_those_that_come_meanwhile_together() -> None:
    batches = Batches(upper)

    with batches.gathering("a", "b", "c") as asked:
        pass

    assert {wish: one.result() for wish, one in asked.items()} == {"a": "A", "b": "B", "c": "C"}
    assert batches.done == [["a"], ["b", "c"]]


def test_who_would_fight_for_something_goes_in_turn() -> None:
    batches = Batches(upper)

    with batches.gathering("a", "x1", "y1", "x2", "x3"):
        pass

    assert batches.done == [["a"], ["x1", "y1"], ["x2"], ["x3"]]


def test_a_refusal_and_nothing_are_outcomes_of_their_own_wish_only() -> None:
    def work(wishes: Sequence[str], **_: bool) -> Outcomes:
        return [NotFound() if wish == "b" else None for wish in wishes]

    with Batches(work).gathering("a", "b", "c") as asked:
        pass

    assert (asked["a"].result(), asked["c"].result()) == (None, None)
    assert isinstance(asked["b"].exception(), NotFound)


def test_when_a_batch_came_to_nothing_each_is_tried_alone() -> None:
    failure = ValueError("of this one")

    def work(wishes: Sequence[str], *, once: bool) -> Outcomes:
        if once and "c" in wishes:
            raise Undone
        if "c" in wishes:
            raise failure
        return upper(wishes)

    batches = Batches(work)

    with batches.gathering("a", "b", "c", "d") as asked:
        pass

    assert (asked["b"].result(), asked["d"].result(), asked["c"].exception()) == ("B", "D", failure)
    assert batches.done == [["a"], ["b", "c", "d"]]
    assert sorted(batches.alone) == ["b", "c", "d"]


def test_who_goes_alone_holds_up_nobody() -> None:
    others_are_served = Event()

    def work(wishes: Sequence[str], *, once: bool) -> Outcomes:
        if "a" in wishes:
            if once:
                raise Undone
            assert others_are_served.wait(20)
        return upper(wishes)

    batches = Batches(work)

    with batches.gathering("a", "b") as asked:
        batches.is_let_go.set()
        assert asked["b"].result(20) == "B"
        others_are_served.set()

    assert asked["a"].result() == "A"


def test_what_may_have_been_done_is_not_done_again() -> None:
    failure = OSError("at the commit")

    def work(wishes: Sequence[str], **_: bool) -> Outcomes:
        if "b" in wishes:
            raise failure
        return upper(wishes)

    batches = Batches(work)

    with batches.gathering("a", "b", "c") as asked:
        pass

    assert [asked[wish].exception() for wish in ("b", "c")] == [failure] * 2
    assert (batches.done, batches.alone) == ([["a"], ["b", "c"]], [])


def test_without_the_database_nobody_waits_to_be_told_so_one_after_the_other() -> None:
    away = AutoReconnect("away")

    def work(_: Sequence[str], **__: bool) -> Outcomes:
        raise away

    batches = Batches(work)

    with batches.gathering("a", "b", "c") as asked:
        pass

    assert [one.exception() for one in asked.values()] == [away] * 3
    assert (batches.done, batches.alone) == ([["a"]], [])


def test_after_a_failure_others_are_served() -> None:
    def work(wishes: Sequence[str], **_: bool) -> Outcomes:
        if "b" in wishes:
            raise KeyboardInterrupt
        return upper(wishes)

    with Batches(work).gathering("a", "b", "c", "c2") as asked:
        pass

    assert [type(asked[wish].exception()) for wish in ("b", "c")] == [KeyboardInterrupt, ServiceUnavailable]
    assert asked["c2"].result() == "C2"


def test_who_waits_for_long_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "PATIENCE_SECONDS", 0.2)
    batches = Batches(upper)

    with batches.gathering("a", "b") as asked:
        assert asked["b"].result(20) == "B"
        assert not asked["a"].done()

    assert (asked["a"].result(), batches.done, batches.alone) == ("A", [["a"]], ["b"])


class TestGathering:
    """After a batch of several, who leads the next one waits for those that may come along."""

    @pytest.fixture(autouse=True)
    def _long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(together, "GATHERING_SECONDS", 60)

    @pytest.fixture
    def batches(self) -> Batches:
        """There was a batch of two."""
        batches = Batches(upper, gathers=True)
        with batches.gathering("a", "b", "c"):
            pass
        return batches

    def test_who_serves_a_request_is_waited_for_until_it_has_come(self, batches: Batches) -> None:
        with ThreadPoolExecutor() as pool, Request(pool, batches) as late, Request(pool, batches) as early:
            first = early.wish("d")
            batches.wait_until_waiting(1)
            second = late.wish("e")

            assert (first.result(SOON), second.result(SOON)) == ("D", "E")
        assert batches.done[-1] == ["d", "e"]

    def test_or_until_it_is_over(self, batches: Batches) -> None:
        with ThreadPoolExecutor() as pool, Request(pool, batches) as early:
            with Request(pool, batches):
                first = early.wish("d")
                batches.wait_until_waiting(1)
                assert not first.done()

            assert first.result(SOON) == "D"

    def test_or_for_long_enough(self, batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(together, "GATHERING_SECONDS", 0.01)
        with ThreadPoolExecutor() as pool, Request(pool, batches), Request(pool, batches) as early:
            assert early.wish("d").result(SOON) == "D"

    def test_who_waits_for_something_else_is_not_waited_for(self, batches: Batches) -> None:
        others = Batches(upper, gathers=True)
        with ThreadPoolExecutor() as pool, Request(pool, others) as elsewhere, Request(pool, batches) as early:
            elsewhere.wish("x")  # which is being served until it is let go
            try:
                assert early.wish("d").result(SOON) == "D"
            finally:
                others.is_let_go.set()

    def test_after_a_batch_of_one_nobody_is_waited_for(self, batches: Batches) -> None:
        assert batches.wish("d") == "D"
        with ThreadPoolExecutor() as pool, Request(pool, batches), Request(pool, batches) as early:
            assert early.wish("e").result(SOON) == "E"

    def test_nor_where_it_is_not_asked_for(self) -> None:
        batches = Batches(upper)
        with batches.gathering("a", "b", "c"):
            pass
        with ThreadPoolExecutor() as pool, Request(pool, batches), Request(pool, batches) as early:
            assert early.wish("d").result(SOON) == "D"


class Request:
    """A thread that serves a request, and wishes for something when it is told to, or for nothing."""

    def __init__(self, pool: ThreadPoolExecutor, batches: Batches) -> None:
        self._batches = batches
        self._begun, self._told = Event(), Event()
        self._wanted: str | None = None
        self._outcome = pool.submit(self._serve)

    def __enter__(self) -> Self:
        self._begun.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.set()
        self._outcome.result()

    def wish(self, wanted: str) -> "Future[str | None]":
        self._wanted = wanted
        self._told.set()
        return self._outcome

    def _serve(self) -> str | None:
        with underway.threads.one_more():
            self._begun.set()
            self._told.wait()
            return self._batches.wish(self._wanted) if self._wanted else None
