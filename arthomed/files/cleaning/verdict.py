"""What the process says about a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

DAMAGED = "The {} is damaged or incomplete"


class Kind(StrEnum):
    """The files that are let in, by MIME type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    PDF = "application/pdf"

    @property
    def extension(self) -> str:
        return {Kind.JPEG: "jpg", Kind.PNG: "png", Kind.PDF: "pdf"}[self]


class Refused(Exception):
    """The file is not let in; the words are for the person who sent it."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever a library trips over is the file's fault, but for the disk's errors, which have a number."""
    try:
        yield
    except (Refused, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise Refused(DAMAGED.format(what)) from error
