"""ClamAV client: a real clamd with one signature, and servers that violate its protocol."""

import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from arthomed.files.file_store import ScannerUnavailable, Verdict
from arthomed.infra.clamav import ClamAV
from dev.clamd import Clamd
from dev.servers import free_port
from tests.infra import scripted_server
from tests.infra.eicar import EICAR
from tests.infra.scripted_server import Behaviour, ScriptedServer, silent

CLEAN = Verdict()
INFECTED = Verdict("Eicar-Test.UNOFFICIAL")  # clamd's suffix for signatures that ClamAV did not publish
CHUNK = 64 * 1024
TEN_MB = 10 * 1024 * 1024


@pytest.fixture(params=["tcp", "unix"])
def scanner(request: pytest.FixtureRequest, clamd: Clamd) -> ClamAV:
    return ClamAV(clamd.url if request.param == "tcp" else clamd.unix_url)


def chunks(content: bytes, size: int = CHUNK) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("inside", content)
    return archive.getvalue()


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", bytes(TEN_MB)], ids=["empty", "short", "10 MB"])
def test_harmless_file_is_clean(scanner: ClamAV, content: bytes) -> None:
    assert scanner.scan(chunks(content)) == CLEAN


@pytest.mark.parametrize(
    "content",
    [EICAR, bytes(TEN_MB - len(EICAR)) + EICAR, zipped(EICAR)],
    ids=["alone", "at the end of 10 MB", "in an archive"],
)
def test_malware_is_found(scanner: ClamAV, content: bytes) -> None:
    assert scanner.scan(chunks(content)) == INFECTED


def test_malware_in_small_chunks_is_found(scanner: ClamAV) -> None:
    assert scanner.scan(chunks(EICAR, 1)) == INFECTED


def test_empty_chunk_does_not_end_the_scan(scanner: ClamAV) -> None:
    assert scanner.scan([b"harmless", b"", EICAR]) == INFECTED


def test_open_file_can_be_scanned(scanner: ClamAV, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(EICAR)
    with path.open("rb") as content:
        assert scanner.scan(content) == INFECTED


def test_file_larger_than_the_stream_limit_has_no_verdict(scanner: ClamAV) -> None:
    with pytest.raises(ScannerUnavailable):
        scanner.scan(chunks(bytes(12 * 1024 * 1024)))


def test_concurrent_scans_get_their_own_verdicts(scanner: ClamAV) -> None:
    files = [b"harmless", EICAR] * 8
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(scanner.scan, [[file] for file in files])) == [CLEAN, INFECTED] * 8


def test_stopped_clamd_is_unavailable(clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("clamd")
    with Clamd(folder / "data", folder, signatures={"Eicar-Test": EICAR}) as stopped:
        urls = (stopped.url, stopped.unix_url)
    for url in urls:
        with pytest.raises(ScannerUnavailable):
            ClamAV(url).scan([EICAR])


def test_unreachable_clamd_is_unavailable() -> None:
    with pytest.raises(ScannerUnavailable, match="ConnectionRefusedError"):
        ClamAV(f"tcp://127.0.0.1:{free_port()}").scan([b"harmless"])


def receive_stream(connection: socket.socket) -> None:
    """Read up to the end of the INSTREAM command."""
    received = b""
    while not received.endswith(bytes(4)):
        received += connection.recv(65536)


responding = partial(scripted_server.responding, receive=receive_stream)


def closing_early(connection: socket.socket) -> None:
    connection.recv(10)
    connection.shutdown(socket.SHUT_RDWR)


def responding_too_early(connection: socket.socket) -> None:
    """Report the file as clean before receiving it."""
    connection.sendall(b"stream: OK\0")
    connection.shutdown(socket.SHUT_RDWR)


def responding_slowly(connection: socket.socket) -> None:
    """Send the response byte by byte, beyond the time limit."""
    receive_stream(connection)
    pause = threading.Event()
    for letter in b"stream: OK\0":
        pause.wait(0.1)
        connection.sendall(bytes([letter]))


def not_reading(connection: socket.socket) -> None:
    """Read nothing, so that the client cannot send."""
    threading.Event().wait(0.6)


BEHAVIOURS: dict[str, Behaviour] = {
    "silent": silent,
    "closes during the upload": closing_early,
    "closes without a response": responding(b""),
    "garbage": responding(b"\xff\xfe\x00\x01" * 1000),
    "response without end": responding(b"stream: " + b"A" * 100_000),
    "incomplete response": responding(b"stream: OK"),
    "two responses": responding(b"stream: OK\0stream: OK\0"),
    "response for another stream": responding(b"other: OK\0"),
    "lower case": responding(b"stream: ok\0"),
    "no signature name": responding(b"stream:  FOUND\0"),
    "error": responding(b"stream: Can't allocate memory ERROR\0"),
    "too large": responding(b"INSTREAM size limit exceeded. ERROR\0"),
    "unknown command": responding(b"UNKNOWN COMMAND\0"),
    "response before the upload": responding_too_early,
    "does not read": not_reading,
    "slow response": responding_slowly,
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS.keys())
def test_invalid_response_is_never_a_clean_verdict(behaviour: Behaviour) -> None:
    with ScriptedServer(behaviour) as server, pytest.raises(ScannerUnavailable):
        ClamAV(f"tcp://127.0.0.1:{server.port}", seconds=0.4).scan(chunks(b"x" * TEN_MB))


def test_error_contains_the_message_of_clamd() -> None:
    with (
        ScriptedServer(responding(b"INSTREAM size limit exceeded. ERROR\0")) as server,
        pytest.raises(ScannerUnavailable, match="size limit exceeded"),
    ):
        ClamAV(f"tcp://127.0.0.1:{server.port}").scan([b"harmless"])


def failing_content() -> Iterator[bytes]:
    yield b"harmless so far"
    raise RuntimeError("the storage is unavailable")


def test_unreadable_file_closes_the_connection() -> None:
    with ScriptedServer(silent) as server:
        with pytest.raises(RuntimeError):
            ClamAV(f"tcp://127.0.0.1:{server.port}").scan(failing_content())
        assert server.client_closed.wait(5)


@pytest.mark.parametrize("url", ["", "clamd", "http://127.0.0.1:3310", "tcp://", "tcp:///path", "unix://"])
def test_invalid_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="tcp://host:port or unix:///path"):
        ClamAV(url)
