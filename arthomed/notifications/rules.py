"""When a message is tried again, and when it is given up."""

from datetime import timedelta

MAX_ATTEMPTS = 56  # with the waits below: about a day
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(minutes=30)
_MOST_DOUBLINGS = 10  # far above the longest wait, far below what a timedelta can't hold


def wait_before(attempt: int) -> timedelta:
    """How long to wait after the `attempt`-th failure (from 1): doubled each time, up to half an hour."""
    factor: int = 2 ** min(attempt - 1, _MOST_DOUBLINGS)
    return min(_FIRST_WAIT * factor, _LONGEST_WAIT)


def is_given_up(attempts: int, *, permanent: bool) -> bool:
    return permanent or attempts >= MAX_ATTEMPTS


def is_worn_out(attempts: int) -> bool:
    """Whether an attempt is one too many: the last one did not even end, as when it killed its worker."""
    return attempts > MAX_ATTEMPTS
