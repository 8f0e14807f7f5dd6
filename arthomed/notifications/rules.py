"""When a message is tried again, and when it is given up."""

from datetime import timedelta

MAX_ATTEMPTS = 8
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(minutes=30)


def wait_before(attempt: int) -> timedelta:
    """How long to wait after the `attempt`-th failure (from 1): doubled each time, up to half an hour."""
    doublings: int = 2 ** (attempt - 1)
    return min(_FIRST_WAIT * doublings, _LONGEST_WAIT)


def is_given_up(attempts: int, *, permanent: bool) -> bool:
    return permanent or attempts >= MAX_ATTEMPTS
