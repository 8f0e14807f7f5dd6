"""The queue for file cleaning: its limits, whose file is next, and who makes room when it is full."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from arthomed.core.errors import ServiceUnavailable
from arthomed.files import cleaning_queue
from arthomed.files.cleaning_queue import CleaningQueue, QueuedRequest
from tests.stack import wait_for


class Clock:
    """The clock of the queue, which stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Queue(CleaningQueue):
    """A queue that lists the senders of the cleaned files, in order."""

    def __init__(self, threads: ThreadPoolExecutor, clock: Clock) -> None:
        super().__init__()
        self.cleaned: list[str] = []
        self.clock = clock
        self._entered: list[QueuedRequest] = []
        self._threads = threads

    def enter(self, senders: str) -> list[Future[bool]]:
        """One request of each sender enters the queue and waits, in this order."""
        return [self.enter_with(sender, files=1) for sender in senders]

    def enter_with(self, sender: str, *, files: int) -> Future[bool]:
        """A request with so many files enters the queue and waits."""
        before = len(self._entered)
        entered = self._threads.submit(self.clean, sender, files)
        wait_for(lambda: len(self._entered) > before and self._entered[-1].is_waiting, what="a waiting request")
        return entered

    def clean(self, sender: str, files: int = 1) -> bool:
        """Clean the first file of a request; returns False if the response is 503."""
        try:
            with self.busy(sender, files):
                self.cleaned.append(sender)
        except ServiceUnavailable:
            return False
        return True

    @contextmanager
    def busy(self, sender: str, files: int = 1) -> Iterator[None]:
        """Clean a file during the block."""
        with self.admit(sender, files=files) as request:
            self._entered.append(request)
            with self.slot(request):
                yield

    def use(self, sender: str, seconds: float = 1) -> None:
        """Clean a file that takes so long."""
        with self.busy(sender):
            self.clock.now += seconds


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    clock = Clock()
    monkeypatch.setattr(cleaning_queue, "time", clock)
    with ThreadPoolExecutor(8) as threads:
        yield Queue(threads, clock)


def test_request_without_a_turn_in_time_gets_503(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    with queue.busy("a"), monkeypatch.context() as patch:
        patch.setattr(cleaning_queue, "MAX_REQUEST_SECONDS", 0)
        assert not queue.clean("b")
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


def test_half_of_the_used_time_is_forgotten_each_minute(queue: Queue) -> None:
    queue.use("a", 10)
    queue.clock.now += 60
    queue.use("b", 6)
    queue.use("c", 4)
    with queue.busy("d"):
        entered = queue.enter("bac")
    assert all(each.result() for each in entered)
    assert queue.cleaned == ["c", "a", "b"]


def test_request_with_fewest_files_is_next_of_senders_who_have_used_nothing(queue: Queue) -> None:
    with queue.busy("a"):
        entered = [queue.enter_with("b", files=5), queue.enter_with("c", files=1), queue.enter_with("d", files=2)]
    assert all(each.result() for each in entered)
    assert queue.cleaned == ["c", "d", "b"]


def test_other_senders_are_next_between_two_files_of_a_request(queue: Queue) -> None:
    with queue.admit("a") as request:
        with queue.slot(request):
            [other] = queue.enter("b")
        assert other.result()
        with queue.slot(request):
            assert queue.cleaned == ["b"]


def test_full_queue_refuses_a_sender_who_has_used_more(queue: Queue) -> None:
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


def test_request_takes_the_place_of_one_with_more_files_before_anybody_has_used_any_time(queue: Queue) -> None:
    with queue.busy("a", 5):
        entered = [queue.enter_with(sender, files=5) for sender in "bcdef"]
        entered += queue.enter("gh")
    assert [each.result() for each in entered] == [True, True, True, False, False, True, True]
    assert queue.cleaned[:2] == ["g", "h"]


def test_full_queue_admits_senders_who_have_used_as_little_while_there_are_threads(queue: Queue) -> None:
    with queue.busy("a"):
        entered = queue.enter("bcdefg")
        assert not queue.clean("h")
    assert all(each.result() for each in entered)


def test_request_that_is_being_cleaned_loses_its_place_after_that_file(queue: Queue) -> None:
    with queue.admit("a") as request:
        with queue.slot(request):
            entered = queue.enter("bcde")
            queue.clock.now += 1
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
                    queue.clock.now += 1
                admitted += 1
    assert admitted == cleaning_queue.MAX_THREADS
    assert queue.clean("new")
