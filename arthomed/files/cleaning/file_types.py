"""The accepted file types."""

from enum import StrEnum


class FileType(StrEnum):
    """An accepted file type, by MIME type."""

    JPEG = "image/jpeg"
    PNG = "image/png"
    PDF = "application/pdf"

    @property
    def extension(self) -> str:
        return {FileType.JPEG: "jpg", FileType.PNG: "png", FileType.PDF: "pdf"}[self]
