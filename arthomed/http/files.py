"""Receives uploads into a folder of the application, and sends stored files, whole or in part."""

import errno
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from flask import Flask, Request, Response, current_app, redirect, request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import PreconditionFailed
from werkzeug.http import parse_range_header
from werkzeug.utils import cached_property
from werkzeug.wrappers import Response as BaseResponse

from arthomed.core.downloads import content_disposition
from arthomed.core.errors import FieldError, ServiceUnavailable, ValidationFailed
from arthomed.http import context
from arthomed.http.forms import MULTIPART, StrictFormParser, parse_urlencoded

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_BODY_BYTES = 64 * 1024 * 1024  # of a form with files; `files.rules` limits each file
_MAX_FORM_PARTS = 20
_MAX_FORM_MEMORY_BYTES = 200_000  # below 64 KiB Werkzeug (3.1) also rejects some files
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class OpenFile(Protocol):
    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class ClinicRequest(Request):
    """Writes uploads to named temporary files, which the cleaning subprocess can read and the purge can delete.

    Refuses a query that is not UTF-8, as `StrictFormParser` refuses a form.
    """

    form_data_parser_class = StrictFormParser

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The parameters of the query. Raises ValidationFailed: some are not UTF-8."""
        return self.parameter_storage_class(parse_urlencoded(self.query_string))

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        folder: Callable[[], Path] = current_app.extensions["incoming"]
        return NamedTemporaryFile("w+b", dir=folder(), prefix="upload-")

    def _load_form_data(self) -> None:
        with _translate_disk_errors():
            super()._load_form_data()


@contextmanager
def _translate_disk_errors() -> Iterator[None]:
    """Turn errors of a full or broken disk into ServiceUnavailable; other errors are those of the connection."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise ServiceUnavailable from error
        raise


def register(app: Flask, incoming: Callable[[], Path]) -> None:
    app.request_class = ClinicRequest
    app.extensions["incoming"] = incoming
    app.before_request(_set_upload_limits)


def _set_upload_limits() -> None:
    """Raise the limit of the body size, only for routes that accept files."""
    if is_upload():
        request.max_content_length = MAX_BODY_BYTES
        request.max_form_parts = _MAX_FORM_PARTS
        request.max_form_memory_size = _MAX_FORM_MEMORY_BYTES


def is_upload() -> bool:
    """Whether the request has a multipart form and its route accepts files."""
    return bool(getattr(context.view(), "files", None)) and request.mimetype == MULTIPART


def uploaded_files(field: str, *, required: bool = False) -> list[tuple[Path, str]]:
    """The temporary path, valid until the request ends, and the client's name of each file of a form field.

    Raises:
        ValidationFailed: the field is `required` and has no file.
    """
    uploads = [(_path(one), one.filename or "") for one in request.files.getlist(field) if one.filename]
    if required and not uploads:
        raise ValidationFailed([FieldError(field, "At least one file is needed.", shows_value=False)])
    return uploads


def _path(file: FileStorage) -> Path:
    with _translate_disk_errors():
        file.stream.flush()
    return Path(str(file.stream.name))


def send_file(
    open_at: Callable[[int], OpenFile],
    *,
    size: int,
    name: str,
    mime_type: str,
    etag: str,
    stored_at: datetime,
    accel_path: str | None,
    is_shown: bool = False,
) -> Response:
    """Send a file as an attachment (`is_shown`: inline), or the requested range of it (RFC 9110 section 14).

    With an `accel_path`, the web server in front sends the file instead, with its own `etag` and `stored_at` as the
    time of the last change. The conditions that fail with 412 are checked here: nginx would close the connection after
    its own 412 without `Connection: close`, so the client's next request would be reset.

    Raises:
        NotAcceptable: the client excludes files of this type.
        PreconditionFailed: If-Match names another file, or the file was changed after If-Unmodified-Since.
    """
    context.require_acceptable(mime_type)
    response = Response(mimetype=mime_type)
    response.headers["Content-Disposition"] = content_disposition(name, is_shown=is_shown)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.set_etag(etag)
    if require_match := if_match():
        require_match([etag])  # Werkzeug (3.1) would send the file with the status 412, or a range of it with 206
    if accel_path is not None:
        _require_unmodified(stored_at)
        response.headers["X-Accel-Redirect"] = accel_path
        return response
    response.response = _LazyFile(open_at)
    response.content_length = size
    response.make_conditional(_conditions(request.environ, size), accept_ranges=True, complete_length=size)
    return response


def if_match() -> Callable[[Collection[str]], None] | None:
    """What requires that If-Match names one of a file's ETags (RFC 9110 section 13.1.1); None without If-Match.

    It raises PreconditionFailed.
    """
    return _require_match if "If-Match" in request.headers else None


def _require_match(etags: Collection[str]) -> None:
    if not any(request.if_match.contains(etag) for etag in etags):
        raise PreconditionFailed


def _require_unmodified(stored_at: datetime) -> None:
    until = request.if_unmodified_since
    if until is not None and until < stored_at.replace(microsecond=0):  # HTTP dates have seconds
        raise PreconditionFailed


def _conditions(environ: "WSGIEnvironment", size: int) -> "WSGIEnvironment":
    """Drop the headers that Werkzeug (3.1) must not see.

    They are If-Match, which `send_file` has checked, and a Range header with several ranges, another unit, invalid
    syntax or a suffix longer than the file: RFC 9110 allows a server to ignore these, Werkzeug responds with an error.
    """
    dropped = {"HTTP_IF_MATCH"}
    parsed = parse_range_header(environ.get("HTTP_RANGE"))
    if parsed is None or parsed.units != "bytes" or len(parsed.ranges) != 1 or parsed.ranges[0][0] < -size:
        dropped.add("HTTP_RANGE")
    return {name: value for name, value in environ.items() if name not in dropped}


def redirect_to_storage(url: str) -> BaseResponse:
    """Redirect to a file that the storage server sends itself."""
    response = redirect(url)
    response.headers["Cache-Control"] = "private, no-store"
    return response


class _LazyFile:
    """A response body that opens the file when its first byte is read, at the position of that byte."""

    def __init__(self, open_at: Callable[[int], OpenFile]) -> None:
        self._open_at = open_at
        self._position = 0
        self._file: OpenFile | None = None
        self._chunks: Iterator[bytes] = iter(())

    def seekable(self) -> bool:
        return True

    def seek(self, position: int) -> None:
        self._position = position

    def tell(self) -> int:
        return self._position

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._file is None:
            self._file = self._open_at(self._position)
            self._chunks = iter(self._file)
        try:
            return next(self._chunks)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
