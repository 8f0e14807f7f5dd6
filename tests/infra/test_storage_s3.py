"""S3Storage: presigned URLs, and servers that are unavailable, wrong or interrupted."""

import json
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

from arthomed.config_services import Bucket
from arthomed.core import clock
from arthomed.files.storage import StorageUnavailable, is_key
from arthomed.infra.s3 import S3Storage, client_of
from dev.seaweedfs import SeaweedFS
from dev.servers import free_port
from tests.infra.scripted_server import Behaviour, ScriptedServer, responding, silent
from tests.infra.storage_driver import CALLS_AND_LIST, KEY, OTHER_KEY, StorageDriver
from tests.stack import ROOT


def download_url(driver: StorageDriver, filename: str = "scan.jpg") -> str:
    url = driver.storage.download_url(KEY, filename, "image/jpeg")
    assert url is not None
    return url


UNREACHABLE = Bucket("files", "us-east-1", f"http://127.0.0.1:{free_port()}", "a", "b", read_seconds=0.2)


def storage_in(bucket: Bucket, tmp_path: Path) -> closing[S3Storage]:
    return closing(S3Storage(bucket, tmp_path / "incoming"))


def storage_at(server: ScriptedServer, tmp_path: Path, bucket: Bucket = UNREACHABLE) -> closing[S3Storage]:
    return storage_in(replace(bucket, endpoint=f"http://127.0.0.1:{server.port}"), tmp_path)


def test_download_url_returns_the_file(s3: StorageDriver) -> None:
    s3.put(b"a scan")
    assert httpx.get(download_url(s3)).content == b"a scan"


@pytest.fixture
def bucket_for_browsers(s3: StorageDriver, bucket: Bucket) -> Iterator[StorageDriver]:
    """A bucket with the documented CORS rules."""
    rules = json.loads((ROOT / "deploy/bucket-cors.json").read_text())
    with closing(client_of(bucket)) as client:
        client.put_bucket_cors(Bucket=bucket.name, CORSConfiguration=rules)
        yield s3
        client.delete_bucket_cors(Bucket=bucket.name)


@pytest.mark.parametrize("origin", ["null", "https://clinic.example"])
def test_browser_may_read_a_download_after_the_redirect(bucket_for_browsers: StorageDriver, origin: str) -> None:
    bucket_for_browsers.put(b"a scan")
    response = httpx.get(download_url(bucket_for_browsers), headers={"Origin": origin})
    assert (response.status_code, response.content) == (200, b"a scan")
    assert response.headers["Access-Control-Allow-Origin"] in {"*", origin}
    assert "content-disposition" in response.headers["Access-Control-Expose-Headers"].lower()


def test_browser_may_ask_the_bucket_for_a_range(bucket_for_browsers: StorageDriver) -> None:
    bucket_for_browsers.put(b"a scan")
    asked = {"Origin": "null", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    preflight = httpx.options(download_url(bucket_for_browsers), headers=asked)
    assert preflight.status_code in {200, 204}
    assert preflight.headers["Access-Control-Allow-Origin"] in {"*", "null"}
    assert "range" in preflight.headers["Access-Control-Allow-Headers"].lower()


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("content-type", "image/jpeg"),
        ("content-disposition", "attachment; filename=\"scan.jpg\"; filename*=UTF-8''scan.jpg"),
        ("cache-control", "private, no-store"),
    ],
)
def test_download_has_the_headers_of_the_url(s3: StorageDriver, header: str, value: str) -> None:
    s3.put(b"a scan")
    assert httpx.get(download_url(s3)).headers[header] == value


@pytest.mark.parametrize(
    ("filename", "plain", "encoded"),
    [
        ("Röntgen हाथ.jpg", "Rontgen .jpg", "R%C3%B6ntgen%20%E0%A4%B9%E0%A4%BE%E0%A4%A5.jpg"),
        ('a"; filename="evil.exe', "a filename=evil.exe", "a%22%3B%20filename%3D%22evil.exe"),
        ("a\r\nSet-Cookie: b=c", "aSet-Cookie: b=c", "a%0D%0ASet-Cookie%3A%20b%3Dc"),
        ("../../etc/passwd", "file....etcpasswd", "..%2F..%2Fetc%2Fpasswd"),
    ],
    ids=["unicode", "quotes", "line breaks", "path"],
)
def test_filename_cannot_add_to_the_headers(s3: StorageDriver, filename: str, plain: str, encoded: str) -> None:
    s3.put(b"a scan")
    headers = httpx.get(download_url(s3, filename)).headers
    assert headers["content-disposition"] == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def test_download_url_supports_ranges(s3: StorageDriver) -> None:
    s3.put(b"0123456789")
    answer = httpx.get(download_url(s3), headers={"Range": "bytes=3-6"})
    assert (answer.status_code, answer.content) == (206, b"3456")


@pytest.mark.parametrize(
    ("part", "replacement"),
    [
        (KEY, OTHER_KEY),
        ("scan.jpg", "evil.exe"),
        ("image%2Fjpeg", "text%2Fhtml"),
        ("X-Amz-Expires=60", "X-Amz-Expires=600000"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
    ],
    ids=["key", "filename", "type", "lifetime", "signature"],
)
def test_changed_download_url_is_rejected(s3: StorageDriver, part: str, replacement: str) -> None:
    s3.put(b"a scan")
    s3.put(b"another scan", OTHER_KEY)
    changed = download_url(s3).replace(part, replacement)
    assert httpx.get(changed).status_code == 403


def test_download_url_does_not_permit_writing(s3: StorageDriver) -> None:
    s3.put(b"a scan")
    assert httpx.put(download_url(s3), content=b"another").status_code == 403


def test_download_url_without_its_signature_is_rejected(s3: StorageDriver) -> None:
    s3.put(b"a scan")
    assert httpx.get(download_url(s3).partition("?")[0]).status_code == 403


@pytest.mark.parametrize(("age", "status"), [(30, 200), (65, 403)])
def test_download_url_expires_after_a_minute(s3: StorageDriver, age: int, status: int) -> None:
    s3.put(b"a scan")
    with time_machine.travel(clock.now() - timedelta(seconds=age)):
        earlier_url = download_url(s3)
    assert httpx.get(earlier_url).status_code == status


def test_bucket_has_no_accel_path(s3: StorageDriver) -> None:
    assert s3.storage.accel_path(KEY) is None


def test_foreign_file_is_listed(s3: StorageDriver, bucket: Bucket) -> None:
    with closing(client_of(bucket)) as client:
        client.put_object(Bucket=bucket.name, Key="My Scan.JPG", Body=b"")
    assert [(key, is_key(key)) for key in s3.stored_keys()] == [("My Scan.JPG", False)]


def test_repr_does_not_contain_the_secret_key(bucket: Bucket) -> None:
    assert str(bucket.secret_key) not in repr(bucket)


WRONG = {"name": "no-such-bucket", "secret_key": "wrong", "access_key": "wrong"}


@pytest.fixture(scope="module", params=WRONG)
def unusable_storage(
    request: pytest.FixtureRequest, seaweed: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[S3Storage]:
    """A bucket that does not exist, or wrong credentials."""
    wrong: dict[str, Any] = {request.param: WRONG[request.param]}
    with storage_in(replace(seaweed.bucket, **wrong), tmp_path_factory.mktemp("unusable")) as storage:
        yield storage


@pytest.mark.parametrize("call", ["put", "stat", "open", "delete", "move from", "list"])
def test_unusable_bucket_is_unavailable(unusable_storage: S3Storage, call: str) -> None:
    (unusable_storage.incoming() / "file").touch()
    with pytest.raises(StorageUnavailable):
        CALLS_AND_LIST[call](unusable_storage, KEY)


@pytest.mark.parametrize(
    "behaviour",
    [responding(b""), responding(b"220 mail.example ESMTP\r\n"), responding(b"HTTP/1.1 200 OK\r\n\r\n<html>")],
    ids=["no response", "another protocol", "another server"],
)
def test_server_with_another_protocol_is_unavailable(behaviour: Behaviour, tmp_path: Path) -> None:
    with (
        ScriptedServer(behaviour) as server,
        storage_at(server, tmp_path) as storage,
        pytest.raises(StorageUnavailable),
    ):
        storage.stat(KEY)


def test_silent_server_times_out(tmp_path: Path) -> None:
    with (
        ScriptedServer(silent) as server,
        storage_at(server, tmp_path) as storage,
        pytest.raises(StorageUnavailable) as raised,
    ):
        storage.stat(KEY)
    assert str(raised.value) == "ReadTimeoutError"


def test_unreachable_server_is_unavailable(tmp_path: Path) -> None:
    with storage_in(UNREACHABLE, tmp_path) as storage, pytest.raises(StorageUnavailable):
        storage.stat(KEY)


def test_truncated_download_is_unavailable(tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(10)
    with ScriptedServer(responding(half)) as server, storage_at(server, tmp_path) as storage:
        content = storage.open(KEY)
        with closing(content), pytest.raises(StorageUnavailable):
            b"".join(content)


def dropping_the_first_success(port: int) -> Behaviour:
    """Proxy to a server on this port, and drop the connection instead of its first successful response."""
    dropped = threading.Event()

    def behave(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            while True:
                for source in select.select([connection, server], [], [])[0]:
                    received = source.recv(65536)
                    if not received or (received.startswith(b"HTTP/1.1 200") and not dropped.is_set()):
                        dropped.set()
                        return connection.shutdown(socket.SHUT_RDWR)
                    (server if source is connection else connection).sendall(received)

    return behave


def test_put_succeeds_if_its_first_response_is_lost(s3: StorageDriver, bucket: Bucket, tmp_path: Path) -> None:
    port = int((bucket.endpoint or "").rpartition(":")[2])
    with ScriptedServer(dropping_the_first_success(port)) as proxy, storage_at(proxy, tmp_path, bucket) as storage:
        StorageDriver(storage).put(b"a scan")
    assert s3.read() == b"a scan"
