"""Rejecting a file, with a message for its sender."""

from collections.abc import Iterator
from contextlib import contextmanager

DAMAGED = "The {} is damaged or incomplete"


class FileRejected(Exception):
    """The file is not accepted; the message is for the sender."""


@contextmanager
def reject_if_damaged(what: str) -> Iterator[None]:
    """Turn the errors of a decoding library into FileRejected, but not MemoryError and disk errors (with an errno)."""
    try:
        yield
    except (FileRejected, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise FileRejected(DAMAGED.format(what)) from error
