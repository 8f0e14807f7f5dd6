"""The queue for file cleaning: its limits, whose file is next, and who makes room when it is full."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from threading import Event

import pytest

from arthomed.core.errors import ServiceUnavailable
from arthomed.files import cleaning_queue
from arthomed.files.cleaning_queue import CleaningQueue
from tests.stack import wait_for


class Queue(CleaningQueue):
    """A queue that lists the senders of the cleaned files, in order."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self.cleaned: list[str] = []
        self.entered = Event()
        self._threads = threads

    def enter(self, senders: str) -> list[Future[bool]]:
        """One request of each sender enters the queue, in this order."""
        entered = []
        for sender in senders:
            self.entered.clear()
            entered.append(self._threads.submit(self.clean, sender))
            assert self.entered.wait(timeout=10)
        return entered

    def clean(self, sender: str) -> bool:
        """Clean one file; returns False if the response is 503."""
        try:
            with self.busy(sender):
                self.cleaned.append(sender)
        except ServiceUnavailable:
            return False
        return True

    @contextmanager
    def busy(self, sender: str) -> Iterator[None]:
        """Clean a file during the block."""
        with self.admit(sender) as request:
            self.entered.set()
            with self.slot(request):
                yield

    def use(self, sender: str) -> None:
        """Clean a file that takes a moment."""
        with self.busy(sender):
            end = time.monotonic() + 0.05
            wait_for(lambda: time.monotonic() > end, what="the end of cleaning")


@pytest.fixture
def queue() -> Iterator[Queue]:
    with ThreadPoolExecutor(8) as threads:
        yield Queue(threads)


def test_request_without_a_turn_in_time_gets_503(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    with queue.busy("a"):
        monkeypatch.setattr(cleaning_queue, "MAX_REQUEST_SECONDS", 0)
        assert not queue.clean("b")
    monkeypatch.undo()
    assert queue.clean("b")


def test_third_request_of_a_sender_gets_503_with_a_time_to_retry(queue: Queue) -> None:
    with queue.busy("a"):
        [second] = queue.enter("a")
        with pytest.raises(ServiceUnavailable) as error, queue.admit("a"):
            pass
    assert error.value.retry_after is not None
    assert second.result()
    assert queue.clean("a")


def test_sender_who_has_used_least_is_next(queue: Queue) -> None:
    queue.use("a")
    with queue.busy("b"):
        entered = queue.enter("acd")
    assert all(each.result() for each in entered)
    assert queue.cleaned == ["c", "d", "a"]


def test_other_senders_are_next_between_two_files_of_a_request(queue: Queue) -> None:
    with queue.admit("a") as request:
        with queue.slot(request):
            [other] = queue.enter("b")
        assert other.result()
        with queue.slot(request):
            assert queue.cleaned == ["b"]


def test_full_queue_refuses_a_sender_who_has_used_as_much(queue: Queue) -> None:
    queue.use("f")
    with queue.busy("a"):
        entered = queue.enter("bcde")
        assert not queue.clean("f")
    assert all(each.result() for each in entered)


@pytest.mark.parametrize(
    ("senders", "displaced"), [("abcde", 1), ("acdbb", 4)], ids=["who has used more", "second request"]
)
def test_new_sender_takes_a_place_in_a_full_queue(queue: Queue, senders: str, displaced: int) -> None:
    if displaced == 1:
        queue.use("b")
    with ExitStack() as stack:
        requests = [stack.enter_context(queue.admit(sender)) for sender in senders]
        stack.enter_context(queue.admit("f"))
        with pytest.raises(ServiceUnavailable), queue.slot(requests.pop(displaced)):
            pass
        for request in requests:
            with queue.slot(request):
                pass
        assert len(queue) == cleaning_queue.MAX_QUEUED
    assert len(queue) == 0


def test_request_that_is_being_cleaned_loses_its_place_after_that_file(queue: Queue) -> None:
    with queue.admit("a") as request:
        with queue.slot(request):
            entered = queue.enter("bcde")
            entered += queue.enter("f")
        with pytest.raises(ServiceUnavailable), queue.slot(request):
            pass
    assert all(each.result() for each in entered)


def test_error_while_cleaning_leaves_the_queue_empty(queue: Queue) -> None:
    with pytest.raises(ZeroDivisionError), queue.busy("a"):
        1 / 0  # noqa: B018
    assert len(queue) == 0
    assert queue.clean("a")


def test_requests_that_lost_their_places_and_still_store_files_do_not_occupy_all_threads(queue: Queue) -> None:
    admitted = 0
    with ExitStack() as storing:
        for nth in range(12):
            with suppress(ServiceUnavailable):
                request = storing.enter_context(queue.admit(f"sender {nth}"))
                with queue.slot(request):
                    end = time.monotonic() + 0.02
                    wait_for(lambda end=end: time.monotonic() > end, what="the end of cleaning")  # type: ignore[misc]
                admitted += 1
    assert admitted == cleaning_queue.MAX_THREADS
    assert queue.clean("new")
