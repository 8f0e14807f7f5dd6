"""Files over HTTP: taken in to a folder of ours while they arrive, given out whole or in part."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import quote

from flask import Flask, Request, Response, current_app, redirect, request
from werkzeug.datastructures import FileStorage
from werkzeug.http import parse_range_header
from werkzeug.wrappers import Response as BaseResponse

from arthomed.core.errors import FieldError, ServiceUnavailable, ValidationFailed
from arthomed.http import context

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_BYTES = 64 * 1024 * 1024  # of a body with files; how large each may be is the feature's rule
_MOST_PARTS = 20
_MOST_TEXT_BYTES = 200_000  # below 64 KiB Werkzeug (3.1) refuses some files, too
_MULTIPART = "multipart/form-data"
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class OpenFile(Protocol):
    def __iter__(self) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class ClinicRequest(Request):
    """Lets arriving files go to named files, from which they can be read by others and cleared away after a crash."""

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        folder: Callable[[], Path] = current_app.extensions["incoming"]
        return NamedTemporaryFile("w+b", dir=folder(), prefix="upload-")

    def _load_form_data(self) -> None:
        with _writing():
            super()._load_form_data()


@contextmanager
def _writing() -> Iterator[None]:
    """A disk that is full or broken is no fault of the sender's; other errors are the connection's.

    Raises:
        ServiceUnavailable: what has arrived can't be kept.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise ServiceUnavailable from error
        raise


def register(app: Flask, incoming: Callable[[], Path]) -> None:
    app.request_class = ClinicRequest
    app.extensions["incoming"] = incoming
    app.before_request(_let_files_in)


def _let_files_in() -> None:
    """Only routes that take files take bodies of their size."""
    if are_sent():
        request.max_content_length = MOST_BYTES
        request.max_form_parts = _MOST_PARTS
        request.max_form_memory_size = _MOST_TEXT_BYTES


def are_sent() -> bool:
    """Whether the request's body is a form with files, and goes to a route that takes them."""
    return bool(getattr(context.view(), "files", None)) and request.mimetype == _MULTIPART


def received(field: str, *, required: bool = False) -> list[tuple[Path, str]]:
    """Where each file of a field is until the request ends, and what its sender calls it."""
    found = [(_path(one), one.filename or "") for one in request.files.getlist(field) if one.filename]
    if required and not found:
        raise ValidationFailed([FieldError(field, "At least one file is needed.", shows_value=False)])
    return found


def _path(file: FileStorage) -> Path:
    with _writing():
        file.stream.flush()
    return Path(str(file.stream.name))


def send(
    open_at: Callable[[int], OpenFile],
    *,
    size: int,
    name: str,
    mime_type: str,
    etag: str,
    accel_path: str | None,
) -> Response:
    """A file that is saved and not shown; in part where that is asked for (RFC 9110 section 14).

    With an `accel_path` the web server in front sends it instead.
    """
    answer = Response(mimetype=mime_type)
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer.set_etag(etag)
    if accel_path is not None:
        answer.headers["X-Accel-Redirect"] = accel_path
        return answer
    answer.response = _Seekable(open_at)
    answer.content_length = size
    answer.make_conditional(_without_odd_ranges(request.environ, size), accept_ranges=True, complete_length=size)
    return answer


def _without_odd_ranges(environ: "WSGIEnvironment", size: int) -> "WSGIEnvironment":
    """Of several ranges, other units and nonsense nobody needs to take notice; Werkzeug (3.1) refuses them.

    It does so with the last bytes, too, where they are more than all.
    """
    told = parse_range_header(environ.get("HTTP_RANGE"))
    if told is not None and told.units == "bytes" and len(told.ranges) == 1 and told.ranges[0][0] >= -size:
        return environ
    return {name: value for name, value in environ.items() if name != "HTTP_RANGE"}


def elsewhere(link: str) -> BaseResponse:
    """The way to a file that another server gives out."""
    answer = redirect(link)
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


class _Seekable:
    """A file that is opened when its first byte is wanted, at that byte."""

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
