"""clamd itself with one signature, and servers that answer as no scanner should."""

import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from arthomed.files.scanner import ScannerUnavailable, Verdict
from arthomed.infra.clamav import ClamAV
from dev.clamd import Clamd
from dev.servers import free_port
from tests.infra.harmful import EICAR
from tests.infra.wire import Behaviour, Wire, silent

CLEAN = Verdict()
INFECTED = Verdict("Eicar-Test.UNOFFICIAL")  # as clamd marks the signatures that are not its makers'
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
def test_a_harmless_file_is_clean(scanner: ClamAV, content: bytes) -> None:
    assert scanner.scan(chunks(content)) == CLEAN


@pytest.mark.parametrize(
    "content",
    [EICAR, bytes(TEN_MB - len(EICAR)) + EICAR, zipped(EICAR)],
    ids=["all of it", "at the end of 10 MB", "in an archive"],
)
def test_a_harmful_file_is_infected(scanner: ClamAV, content: bytes) -> None:
    assert scanner.scan(chunks(content)) == INFECTED


def test_a_harmful_file_in_pieces_is_infected(scanner: ClamAV) -> None:
    assert scanner.scan(chunks(EICAR, 1)) == INFECTED


def test_an_empty_piece_does_not_hide_what_follows(scanner: ClamAV) -> None:
    assert scanner.scan([b"harmless", b"", EICAR]) == INFECTED


def test_an_open_file_can_be_scanned(scanner: ClamAV, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(EICAR)
    with path.open("rb") as content:
        assert scanner.scan(content) == INFECTED


def test_a_file_larger_than_clamd_takes_has_no_verdict(scanner: ClamAV) -> None:
    with pytest.raises(ScannerUnavailable):
        scanner.scan(chunks(bytes(12 * 1024 * 1024)))


def test_everybody_gets_the_verdict_of_the_own_file(scanner: ClamAV) -> None:
    files = [b"harmless", EICAR] * 8
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(scanner.scan, [[file] for file in files])) == [CLEAN, INFECTED] * 8


def test_a_clamd_that_was_stopped_gives_no_verdict(clamd: Clamd, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("clamd")
    with Clamd(folder / "data", folder, signatures={"Eicar-Test": EICAR}) as stopped:
        urls = (stopped.url, stopped.unix_url)
    for url in urls:
        with pytest.raises(ScannerUnavailable):
            ClamAV(url).scan([EICAR])


def test_a_scanner_that_is_away_gives_no_verdict() -> None:
    with pytest.raises(ScannerUnavailable, match="ConnectionRefusedError"):
        ClamAV(f"tcp://127.0.0.1:{free_port()}").scan([b"harmless"])


def all_of_it(connection: socket.socket) -> None:
    """Read up to the end of the stream."""
    received = b""
    while not received.endswith(bytes(4)):
        received += connection.recv(65536)


def answering(answer: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        all_of_it(connection)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    return behave


def cut(connection: socket.socket) -> None:
    connection.recv(10)
    connection.shutdown(socket.SHUT_RDWR)


def hasty(connection: socket.socket) -> None:
    """Call a file clean that it has not seen yet."""
    connection.sendall(b"stream: OK\0")
    connection.shutdown(socket.SHUT_RDWR)


def dripping(connection: socket.socket) -> None:
    """Never silent for long, and never done; at last it even calls the file clean."""
    all_of_it(connection)
    pause = threading.Event()
    for letter in b"stream: OK\0":
        pause.wait(0.1)
        connection.sendall(bytes([letter]))


def deaf(connection: socket.socket) -> None:
    """Take nothing, so that sending gets stuck."""
    threading.Event().wait(0.6)


BEHAVIOURS: dict[str, Behaviour] = {
    "silent": silent,
    "cut off while it is told": cut,
    "cut off without an answer": answering(b""),
    "garbage": answering(b"\xff\xfe\x00\x01" * 1000),
    "an unending answer": answering(b"stream: " + b"A" * 100_000),
    "an unfinished answer": answering(b"stream: OK"),
    "more than an answer": answering(b"stream: OK\0stream: OK\0"),
    "of another file": answering(b"other: OK\0"),
    "lower case": answering(b"stream: ok\0"),
    "without a name": answering(b"stream:  FOUND\0"),
    "an error": answering(b"stream: Can't allocate memory ERROR\0"),
    "too large": answering(b"INSTREAM size limit exceeded. ERROR\0"),
    "unknown command": answering(b"UNKNOWN COMMAND\0"),
    "before it has seen the file": hasty,
    "deaf": deaf,
    "slow": dripping,
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS.keys())
def test_whatever_is_no_verdict_is_never_called_clean(behaviour: Behaviour) -> None:
    with Wire(behaviour) as server, pytest.raises(ScannerUnavailable):
        ClamAV(f"tcp://127.0.0.1:{server.port}", seconds=0.4).scan(chunks(b"x" * TEN_MB))


def test_the_reason_for_no_verdict_is_told() -> None:
    with (
        Wire(answering(b"INSTREAM size limit exceeded. ERROR\0")) as server,
        pytest.raises(ScannerUnavailable, match="size limit exceeded"),
    ):
        ClamAV(f"tcp://127.0.0.1:{server.port}").scan([b"harmless"])


def broken() -> Iterator[bytes]:
    yield b"harmless so far"
    raise RuntimeError("the storage went away")


def test_a_file_that_cannot_be_read_leaves_no_connection_open() -> None:
    with Wire(silent) as server:
        with pytest.raises(RuntimeError):
            ClamAV(f"tcp://127.0.0.1:{server.port}").scan(broken())
        assert server.hung_up.wait(5)


@pytest.mark.parametrize("url", ["", "clamd", "http://127.0.0.1:3310", "tcp://", "tcp:///path", "unix://"])
def test_another_kind_of_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="tcp://host:port or unix:///path"):
        ClamAV(url)
