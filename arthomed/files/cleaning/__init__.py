"""The subprocess that reads uploaded files with libraries written in C, under hard resource limits.

`files.cleaner` starts it as `python -m arthomed.files.cleaning`. It imports nothing else of the application, so that
it starts within 50 ms and loads no secrets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

DAMAGED_IMAGE = "The image is damaged or incomplete; please take the photograph again, or save it as a new JPEG"
DAMAGED_PDF = "The PDF is damaged or incomplete; please print it to a new PDF, or send photographs of its pages"


class FileType(StrEnum):
    """An accepted file type, by MIME type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    PDF = "application/pdf"

    @property
    def extension(self) -> str:
        return {FileType.JPEG: "jpg", FileType.PNG: "png", FileType.PDF: "pdf"}[self]


class FileRejected(Exception):
    """The file is not accepted; the message is for the sender."""


@contextmanager
def reject_if_damaged(message: str) -> Iterator[None]:
    """Turn the errors of a decoding library into FileRejected, but not MemoryError and disk errors (with an errno)."""
    try:
        yield
    except (FileRejected, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise FileRejected(message) from error
