"""Parsing of forms with Werkzeug's parser: strict, within limits, and with a remedy for its fault at chunk borders."""

import re
from collections.abc import Iterable
from itertools import islice
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser

from arthomed.core.errors import FieldError, MalformedMultipart, ValidationFailed
from arthomed.http import bodies

MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
MAX_ERRORS = 100  # in one response
_MAX_PADDING = 64  # bytes between a delimiter and its line break (RFC 2046 section 5.1.1)
_UNFINISHED = re.compile(rb"-|[^\S\r\n]*")  # what may follow a boundary before its delimiter is complete
_KEEP_INVALID = "surrogateescape"  # the error handler that makes each invalid byte one of these characters
_INVALID = re.compile("[\udc80-\udcff]")
_REPLACED = "\N{REPLACEMENT CHARACTER}"


class StrictFormParser(FormDataParser):
    """Refuses a malformed form, which Werkzeug takes for an empty one, and texts that are not UTF-8."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> Any:
        """As Werkzeug's; the texts of a multipart form still need `refuse_invalid`.

        Raises:
            MalformedMultipart: no boundary, a part without a name, or an end before the last delimiter.
            ValidationFailed: names the fields and file names that are not UTF-8.
            RequestEntityTooLarge, ServiceUnavailable
        """
        if mimetype == URLENCODED:
            return stream, self.cls(parse_urlencoded(bodies.read_form(stream, content_length))), self.cls()
        if mimetype != MULTIPART:
            return super().parse(stream, mimetype, content_length, options)
        try:
            boundary = (options or {}).get("boundary", "").encode("ascii")
            if not boundary:
                raise MalformedMultipart
            texts, files = self._parse_parts(WholeDelimiters(stream, b"--" + boundary), boundary, content_length)
        except ValueError as error:
            raise MalformedMultipart from error
        if any(name is None for name, _ in [*texts, *files]):
            raise MalformedMultipart
        refuse_invalid((name, _file_name(file)) for name, file in files)
        return stream, self.cls(texts), self.cls(files)

    def _parse_parts(
        self, stream: Any, boundary: bytes, content_length: int | None
    ) -> tuple[list[tuple[str, str]], list[tuple[str, FileStorage]]]:
        """The texts, in which surrogates are invalid bytes, and the files. Raises ValueError."""
        pairs: Any = list  # instead of Werkzeug's MultiDict: it keeps the order of the parts
        parser = _LosslessParser(
            self.stream_factory, self.max_form_memory_size, pairs, max_form_parts=self.max_form_parts
        )
        parsed: Any = parser.parse(stream, boundary, content_length)
        raw, files = parsed
        texts = zip(raw, parser.charsets, strict=True)
        return [(name, text.encode("latin-1").decode(charset, _KEEP_INVALID)) for (name, text), charset in texts], files


class _LosslessParser(MultiPartParser):
    """Decodes texts as Latin-1, so that no byte is lost: Werkzeug replaces invalid ones.

    `charsets` are those that the parts declare, in their order.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.charsets: list[str] = []

    def get_part_charset(self, headers: Headers) -> str:
        self.charsets.append(super().get_part_charset(headers))
        return "latin-1"


def parse_urlencoded(encoded: bytes) -> list[tuple[str, str]]:
    """The names and values of a form or a query.

    Raises:
        ValidationFailed: names the fields that are not UTF-8.
    """
    pairs = parse_qsl(encoded.decode(errors=_KEEP_INVALID), keep_blank_values=True, errors=_KEEP_INVALID)
    refuse_invalid(pairs)
    return pairs


def refuse_invalid(texts: Iterable[tuple[str, str]]) -> None:
    """Refuse texts, given with the names of their fields, that were not UTF-8.

    Raises:
        ValidationFailed: names the fields.
    """
    wrong = dict.fromkeys(name for name, text in texts if _INVALID.search(name) or _INVALID.search(text))
    names = (name.encode(errors="replace").decode() for name in islice(wrong, MAX_ERRORS))
    if errors := [FieldError(name, "Must be encoded in UTF-8.", shows_value=False) for name in names]:
        raise ValidationFailed(errors)


def _file_name(file: FileStorage) -> str:
    """The name of a file; of one that is percent-encoded (`filename*`), Werkzeug replaces invalid bytes."""
    name = file.filename or ""
    return name if _REPLACED in file.headers.get("Content-Disposition", "") else name.replace(_REPLACED, "\udcff")


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
