"""ClamAV's daemon, asked over its own protocol (clamd(8), INSTREAM)."""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from arthomed.files.scanner import ScannerUnavailable, Verdict

_DEFAULT_PORT = 3310
_CONNECT_SECONDS = 2
_LONGEST_ANSWER = 1024
_ANSWER = re.compile(rb"stream: (?:OK|(?P<signature>[!-~]{1,200}) FOUND)\0")


class ClamAV:
    """`tcp://host:port` or `unix:///path`; a verdict takes at most `seconds`, the file's way there included.

    clamd must be told StreamMaxLength of at least the largest file, and `AlertExceedsMax yes`: without that it
    calls a file clean that exceeds another limit of its own.
    """

    def __init__(self, url: str, *, seconds: float = 30) -> None:
        """Raises ValueError for another kind of URL."""
        where = urlsplit(url)
        if not (where.scheme == "tcp" and where.hostname) and not (where.scheme == "unix" and where.path):
            raise ValueError("the scanner is at tcp://host:port or unix:///path")
        self._path = where.path if where.scheme == "unix" else None
        self._address = (where.hostname or "", where.port or _DEFAULT_PORT)
        self._seconds = seconds

    def scan(self, content: Iterable[bytes]) -> Verdict:
        until = time.monotonic() + self._seconds
        sent = False
        try:
            with self._connection() as clamd:
                with suppress(ConnectionError):  # it may have said why before it hung up
                    _send(clamd, content, until)
                    sent = True
                answer = _receive(clamd, until)
        except OSError as error:
            raise ScannerUnavailable(type(error).__name__) from error
        found = _ANSWER.fullmatch(answer)
        if not sent or found is None:
            raise ScannerUnavailable(answer.decode("ascii", "replace").rstrip("\0") or "no answer")
        signature = found["signature"]
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


def _send(clamd: socket.socket, content: Iterable[bytes], until: float) -> None:
    clamd.sendall(b"zINSTREAM\0")
    for chunk in filter(None, content):  # an empty one would end the stream, and the rest would never be looked at
        clamd.settimeout(_left(until))
        clamd.sendall(len(chunk).to_bytes(4, "big") + chunk)
    clamd.sendall(bytes(4))


def _receive(clamd: socket.socket, until: float) -> bytes:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
        clamd.settimeout(_left(until))
        if not (part := clamd.recv(_LONGEST_ANSWER)):
            break
        answer += part
    return answer


def _left(until: float) -> float:
    """Seconds, more than none: none would make the socket not wait at all. Raises TimeoutError."""
    if (left := until - time.monotonic()) <= 0:
        raise TimeoutError
    return left
