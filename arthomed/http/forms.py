"""Parsing of forms with Werkzeug's parser: strict, within limits, and with a remedy for its fault at chunk borders."""

import re
from typing import IO, Any

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from arthomed.core.errors import MalformedMultipart
from arthomed.http import bodies

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
_MAX_PADDING = 64  # bytes between a delimiter and its line break (RFC 2046 section 5.1.1)
_UNFINISHED = re.compile(rb"-|[^\S\r\n]*")  # what may follow a boundary before its delimiter is complete


class StrictFormParser(FormDataParser):
    """Refuses a malformed form, which Werkzeug takes for an empty one."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        """As Werkzeug's.

        Raises:
            MalformedMultipart: no boundary, a part without a name, or an end before the last delimiter.
            RequestEntityTooLarge, ServiceUnavailable
        """
        if mimetype != MULTIPART:
            is_form = mimetype == URLENCODED
            limited = bodies.limited_form(stream, content_length) if is_form else stream
            return super().parse(limited, mimetype, content_length, options)
        self.silent = False
        try:
            boundary = (options or {}).get("boundary", "").encode("ascii")
            whole: Any = WholeDelimiters(stream, b"--" + boundary)
            parsed = super().parse(whole, mimetype, content_length, options)
        except ValueError as error:
            raise MalformedMultipart from error
        if None in parsed[1] or None in parsed[2]:
            raise MalformedMultipart
        return parsed


class WholeDelimiters:
    """A stream whose chunks never end between a boundary and the end of its delimiter.

    Werkzeug (3.1.9) would add the carriage return before such a boundary to the part (pallets/werkzeug#3285).
    """

    def __init__(self, stream: IO[bytes], boundary: bytes) -> None:
        self._stream = stream
        self._boundary = boundary
        self._tail = b""  # of the previous chunk: it may have the beginning of a boundary
        self._has_begun = False

    def read(self, size: int) -> bytes:
        """Read `size` bytes or a few more; fewer only at the end.

        Raises:
            ValueError: the first chunk has no boundary, or a delimiter is too long.
        """
        chunk = b""
        while len(chunk) < size and (more := self._receive(size - len(chunk))):
            chunk += more
        while chunk and self._ends_in_delimiter(chunk) and (more := self._receive(_MAX_PADDING)):
            chunk += more
        if not self._has_begun and self._boundary not in chunk:
            raise ValueError("no boundary")
        self._has_begun = True
        self._tail = (self._tail + chunk)[1 - len(self._boundary) :]
        return chunk

    def _receive(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except RequestEntityTooLarge:
            raise
        except Exception as error:  # each server raises its own error for a body that is cut off
            raise MalformedMultipart from error

    def _ends_in_delimiter(self, chunk: bytes) -> bool:
        window = self._tail + chunk
        start = window.rfind(self._boundary)
        if start < 0 or not _UNFINISHED.fullmatch(window, start + len(self._boundary)):
            return False
        if len(window) - start - len(self._boundary) > _MAX_PADDING:
            raise ValueError("too much padding")
        return True
