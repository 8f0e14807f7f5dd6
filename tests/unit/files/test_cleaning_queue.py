"""The queue for the cleaning slot."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from arthomed.core.errors import ServiceUnavailable
from arthomed.files import cleaning_queue
from tests.stack import wait_for


def test_timeout_in_the_queue_is_service_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning_queue, "MAX_WAIT_SECONDS", 0)
    with cleaning_queue.cleaning_lock, pytest.raises(ServiceUnavailable), cleaning_queue.cleaning_slot("a"):
        pass


@pytest.mark.parametrize(("senders", "next_sender"), [("abcde", "f"), ("aa", "a")])
def test_queue_limits_requests_in_total_and_per_sender(senders: str, next_sender: str) -> None:
    def enter_and_leave(sender: str) -> bool:
        with cleaning_queue.cleaning_slot(sender):
            return True

    with ThreadPoolExecutor(len(senders)) as threads:
        with cleaning_queue.cleaning_lock:
            slots = [threads.submit(enter_and_leave, sender) for sender in senders]
            wait_for(lambda: cleaning_queue.queued.total() == len(senders), what="a full queue")
            with pytest.raises(ServiceUnavailable) as error, cleaning_queue.cleaning_slot(next_sender):
                pass
        assert all(slot.result() for slot in slots)
    assert error.value.retry_after is not None
    assert enter_and_leave(next_sender)
