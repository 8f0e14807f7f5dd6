"""Client of ClamAV's daemon, over its own protocol (clamd(8), INSTREAM)."""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from arthomed.files.file_store import ScannerUnavailable, Verdict

_DEFAULT_PORT = 3310
_CONNECT_SECONDS = 2
_MAX_RESPONSE_BYTES = 1024
_RESPONSE = re.compile(rb"stream: (?:OK|(?P<signature>[!-~]{1,200}) FOUND)\0")


class ClamAV:
    """Scans files with the clamd at `tcp://host:port` or `unix:///path`, within `seconds` for each file.

    clamd.conf needs a StreamMaxLength of at least the largest file, and `AlertExceedsMax yes`: without it clamd
    reports a file as clean that exceeds another of its limits.
    """

    def __init__(self, url: str, *, seconds: float = 30) -> None:
        """Raises ValueError for any other URL."""
        parts = urlsplit(url)
        if not (parts.scheme == "tcp" and parts.hostname) and not (parts.scheme == "unix" and parts.path):
            raise ValueError("the scanner is at tcp://host:port or unix:///path")
        self._path = parts.path if parts.scheme == "unix" else None
        self._address = (parts.hostname or "", parts.port or _DEFAULT_PORT)
        self._seconds = seconds

    def scan(self, content: Iterable[bytes]) -> Verdict:
        deadline = time.monotonic() + self._seconds
        sent = False
        try:
            with self._connection() as clamd:
                with suppress(ConnectionError):  # clamd may have sent an error before it closed the connection
                    _send(clamd, content, deadline)
                    sent = True
                response = _receive(clamd, deadline)
        except OSError as error:
            raise ScannerUnavailable(type(error).__name__) from error
        match = _RESPONSE.fullmatch(response)
        if not sent or match is None:
            raise ScannerUnavailable(response.decode("ascii", "replace").rstrip("\0") or "no response")
        signature = match["signature"]
        return Verdict(signature.decode("ascii") if signature else None)

    def _connection(self) -> socket.socket:
        if self._path is None:
            return socket.create_connection(self._address, timeout=min(_CONNECT_SECONDS, self._seconds))
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self._seconds)
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        return connection


def _send(clamd: socket.socket, content: Iterable[bytes], deadline: float) -> None:
    clamd.sendall(b"zINSTREAM\0")
    for chunk in filter(None, content):  # an empty chunk would end the stream, and clamd would not scan the rest
        clamd.settimeout(_seconds_left(deadline))
        clamd.sendall(len(chunk).to_bytes(4, "big") + chunk)
    clamd.sendall(bytes(4))


def _receive(clamd: socket.socket, deadline: float) -> bytes:
    response = b""
    while not response.endswith(b"\0") and len(response) < _MAX_RESPONSE_BYTES:
        clamd.settimeout(_seconds_left(deadline))
        if not (part := clamd.recv(_MAX_RESPONSE_BYTES)):
            break
        response += part
    return response


def _seconds_left(deadline: float) -> float:
    """Always positive, because a timeout of 0 makes a socket non-blocking; raises TimeoutError."""
    if (left := deadline - time.monotonic()) <= 0:
        raise TimeoutError
    return left
