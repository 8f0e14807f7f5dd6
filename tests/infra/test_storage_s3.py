"""What is particular to S3: links, and servers that are away, wrong or cut off."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine

from arthomed.core import clock
from arthomed.files.storage import StorageUnavailable, is_key
from arthomed.infra.s3 import Bucket, S3Storage, client_of
from dev.seaweedfs import SeaweedFS
from dev.servers import free_port
from tests.infra.shelf import CALLS, KEY, OTHER, Shelf, soon
from tests.infra.wire import Behaviour, Wire, silent


def link(shelf: Shelf, filename: str = "scan.jpg") -> str:
    found = shelf.storage.link(KEY, filename, "image/jpeg")
    assert found is not None
    return found


NOBODY = Bucket("files", "us-east-1", f"http://127.0.0.1:{free_port()}", "a", "b", read_seconds=0.2)


def storage_of(bucket: Bucket, tmp_path: Path) -> closing[S3Storage]:
    return closing(S3Storage(bucket, tmp_path / "incoming"))


def storage_at(server: Wire, tmp_path: Path, bucket: Bucket = NOBODY) -> closing[S3Storage]:
    return storage_of(replace(bucket, endpoint=f"http://127.0.0.1:{server.port}"), tmp_path)


def test_a_link_downloads_the_file(s3: Shelf) -> None:
    s3.put(b"a scan")
    assert httpx.get(link(s3)).content == b"a scan"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "image/jpeg"),
        ("content-disposition", "attachment; filename*=UTF-8''scan.jpg"),
        ("cache-control", "private, no-store"),
    ],
)
def test_a_download_by_link_says_what_it_is(s3: Shelf, header: str, value: str) -> None:
    s3.put(b"a scan")
    assert httpx.get(link(s3)).headers[header] == value


@pytest.mark.parametrize(
    ("filename", "told"),
    [
        ("Röntgen हाथ.jpg", "R%C3%B6ntgen%20%E0%A4%B9%E0%A4%BE%E0%A4%A5.jpg"),
        ('a"; filename="evil.exe', "a%22%3B%20filename%3D%22evil.exe"),
        ("a\r\nSet-Cookie: b=c", "a%0D%0ASet-Cookie%3A%20b%3Dc"),
        ("../../etc/passwd", "..%2F..%2Fetc%2Fpasswd"),
    ],
    ids=["unicode", "quotes", "line breaks", "path"],
)
def test_a_filename_cannot_add_to_the_headers(s3: Shelf, filename: str, told: str) -> None:
    s3.put(b"a scan")
    headers = httpx.get(link(s3, filename)).headers
    assert headers["content-disposition"] == f"attachment; filename*=UTF-8''{told}"


def test_a_part_is_downloaded_by_link(s3: Shelf) -> None:
    s3.put(b"0123456789")
    answer = httpx.get(link(s3), headers={"Range": "bytes=3-6"})
    assert (answer.status_code, answer.content) == (206, b"3456")


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (KEY, OTHER),
        ("scan.jpg", "evil.exe"),
        ("image%2Fjpeg", "text%2Fhtml"),
        ("X-Amz-Expires=60", "X-Amz-Expires=600000"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
    ],
    ids=["key", "filename", "type", "lifetime", "signature"],
)
def test_a_link_that_was_changed_is_refused(s3: Shelf, part: str, instead: str) -> None:
    s3.put(b"a scan")
    s3.put(b"somebody else's", OTHER)
    changed = link(s3).replace(part, instead)
    assert httpx.get(changed).status_code == 403


def test_a_link_is_not_for_writing(s3: Shelf) -> None:
    s3.put(b"a scan")
    assert httpx.put(link(s3), content=b"another").status_code == 403


def test_without_its_signature_a_link_is_refused(s3: Shelf) -> None:
    s3.put(b"a scan")
    assert httpx.get(link(s3).partition("?")[0]).status_code == 403


def test_a_link_is_refused_after_a_minute(s3: Shelf) -> None:
    s3.put(b"a scan")
    with time_machine.travel(clock.now() - timedelta(seconds=65)):
        made_then = link(s3)
    assert httpx.get(made_then).status_code == 403


def test_a_link_is_good_for_nearly_a_minute(s3: Shelf) -> None:
    s3.put(b"a scan")
    with time_machine.travel(clock.now() - timedelta(seconds=30)):
        made_then = link(s3)
    assert httpx.get(made_then).status_code == 200


def test_a_bucket_has_no_path_for_a_web_server(s3: Shelf) -> None:
    assert s3.storage.accel_path(KEY) is None


def test_a_strangers_file_is_listed(s3: Shelf, bucket: Bucket) -> None:
    with closing(client_of(bucket)) as client:
        client.put_object(Bucket=bucket.name, Key="My Scan.JPG", Body=b"")
    assert [(key, is_key(key)) for key in s3.list()] == [("My Scan.JPG", False)]


def test_secrets_are_not_shown(bucket: Bucket) -> None:
    assert str(bucket.secret_key) not in repr(bucket)


WRONG = {"name": "no-such-bucket", "secret_key": "wrong", "access_key": "wrong"}


@pytest.fixture(scope="module", params=WRONG)
def unusable(
    request: pytest.FixtureRequest, seaweed: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Storage]:
    """A bucket that is not there, or not for us."""
    wrong: dict[str, Any] = {request.param: WRONG[request.param]}
    with storage_of(replace(seaweed.bucket, **wrong), tmp_path_factory.mktemp("unusable")) as storage:
        yield storage


@pytest.mark.parametrize("call", ["put", "find", "open", "delete", "move from"])
def test_a_bucket_that_cannot_be_used_is_unavailable(unusable: S3Storage, call: str) -> None:
    (unusable.incoming() / "file").touch()
    with pytest.raises(StorageUnavailable):
        CALLS[call](unusable, KEY)


def test_a_bucket_that_cannot_be_used_is_not_called_empty(unusable: S3Storage) -> None:
    with pytest.raises(StorageUnavailable):
        list(unusable.keys(older_than=soon()))


def answering(answer: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    return behave


@pytest.mark.parametrize(
    "behaviour",
    [answering(b""), answering(b"220 mail.example ESMTP\r\n"), answering(b"HTTP/1.1 200 OK\r\n\r\n<html>")],
    ids=["cut off", "another protocol", "another server"],
)
def test_a_server_that_does_not_answer_as_s3_is_unavailable(behaviour: Behaviour, tmp_path: Path) -> None:
    with Wire(behaviour) as server, storage_at(server, tmp_path) as storage, pytest.raises(StorageUnavailable):
        storage.find(KEY)


def test_a_silent_server_is_not_waited_for(tmp_path: Path) -> None:
    with Wire(silent) as server, storage_at(server, tmp_path) as storage, pytest.raises(StorageUnavailable) as raised:
        storage.find(KEY)
    assert str(raised.value) == "ReadTimeoutError"


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    with storage_of(NOBODY, tmp_path) as storage, pytest.raises(StorageUnavailable):
        storage.find(KEY)


def test_a_file_that_is_cut_off_is_not_given_out_as_whole(tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(10)
    with Wire(answering(half)) as server, storage_at(server, tmp_path) as storage:
        content = storage.open(KEY)
        with closing(content), pytest.raises(StorageUnavailable):
            b"".join(content)


def losing_the_first_success(port: int) -> Behaviour:
    """Between a client and a server, until the server is content."""
    lost = threading.Event()

    def behave(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            while True:
                for source in select.select([connection, server], [], [])[0]:
                    told = source.recv(65536)
                    if not told or (told.startswith(b"HTTP/1.1 200") and not lost.is_set()):
                        lost.set()
                        return connection.shutdown(socket.SHUT_RDWR)
                    (server if source is connection else connection).sendall(told)

    return behave


def test_a_put_whose_answer_was_lost_on_the_way_succeeds(s3: Shelf, bucket: Bucket, tmp_path: Path) -> None:
    port = int((bucket.endpoint or "").rpartition(":")[2])
    with Wire(losing_the_first_success(port)) as proxy, storage_at(proxy, tmp_path, bucket) as storage:
        Shelf(storage).put(b"a scan")
    assert s3.read() == b"a scan"
