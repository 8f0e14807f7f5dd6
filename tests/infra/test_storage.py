"""The Storage protocol, implemented by a folder and by a bucket."""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from arthomed.core import clock
from arthomed.files.storage import FileMissing, InvalidKey, KeyTaken, StorageUnavailable, StoredFile
from arthomed.infra.s3 import S3Storage
from dev.processes import Process
from tests.infra.storage_driver import CALLS, KEY, OTHER_KEY, Call, StorageDriver, soon
from tests.infra.store_until_killed import is_complete
from tests.stack import ROOT, kill_group, wait_for

TEN_MB = 10 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, TEN_MB])
def test_stored_content_can_be_read(driver: StorageDriver, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    driver.put(content)
    assert driver.read() == content


def test_put_removes_the_file_from_incoming(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    assert list(driver.storage.incoming().iterdir()) == []


def test_stat_returns_the_size(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    assert driver.storage.stat(KEY).size == 6


def test_time_of_storing_is_not_that_of_the_incoming_file(driver: StorageDriver) -> None:
    path = driver.receive(b"a scan")
    os.utime(path, (0, 0))
    driver.storage.put(KEY, path)
    assert abs(driver.storage.stat(KEY).stored_at - clock.now()) < timedelta(minutes=1)


def test_put_does_not_overwrite_other_content(driver: StorageDriver) -> None:
    driver.put(b"the first")
    with pytest.raises(KeyTaken):
        driver.put(b"the other")
    assert driver.read() == b"the first"


def test_failed_put_leaves_the_file_in_incoming(driver: StorageDriver) -> None:
    driver.put(b"the first")
    path = driver.receive(b"the other")
    with pytest.raises(KeyTaken):
        driver.storage.put(KEY, path)
    assert path.read_bytes() == b"the other"


def test_put_can_be_repeated_with_the_same_content(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    driver.put(b"a scan")
    assert driver.read() == b"a scan"


def test_only_one_of_several_concurrent_puts_succeeds(driver: StorageDriver) -> None:
    barrier = Barrier(4)

    def put(content: bytes) -> bytes | None:
        path = driver.receive(content)
        barrier.wait()
        try:
            driver.storage.put(KEY, path)
        except KeyTaken:
            return None
        return content

    with ThreadPoolExecutor(4) as pool:
        stored = [content for content in pool.map(put, [str(n).encode() * 5000 for n in range(4)]) if content]
    assert stored == [driver.read()]


@pytest.mark.parametrize("call", ["stat", "open", "move from", "move to"])
def test_missing_file_raises_file_missing(driver: StorageDriver, call: str) -> None:
    driver.put(b"a scan", "profiles/2026/11/other.jpg")
    with pytest.raises(FileMissing):
        CALLS[call](driver.storage, KEY)


def test_prefix_of_an_existing_key_is_missing(driver: StorageDriver) -> None:
    driver.put(b"a scan", "profiles/2026/11/user_12.jpg")
    with pytest.raises(FileMissing):
        driver.storage.stat("profiles/2026/11/user_1")


@pytest.mark.parametrize("start", [0, 3, 9])
def test_file_can_be_read_from_a_position(driver: StorageDriver, start: int) -> None:
    driver.put(b"0123456789")
    assert driver.read(start=start) == b"0123456789"[start:]


@pytest.mark.parametrize("start", [-1, 10, 11])
def test_position_outside_the_file_is_rejected(driver: StorageDriver, start: int) -> None:
    driver.put(b"0123456789")
    with pytest.raises(ValueError, match="no byte"):
        driver.storage.open(KEY, start)


def test_open_file_can_be_closed_before_its_end(driver: StorageDriver) -> None:
    driver.put(bytes(TEN_MB))
    with closing(driver.storage.open(KEY)) as content:
        first = next(iter(content))
    assert first == bytes(len(first))


def test_chunks_have_at_most_64_kilobytes(driver: StorageDriver) -> None:
    driver.put(bytes(TEN_MB))
    with closing(driver.storage.open(KEY)) as content:
        assert max(map(len, content)) <= 64 * 1024


def test_deleted_file_is_missing(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    driver.storage.delete(KEY)
    with pytest.raises(FileMissing):
        driver.storage.stat(KEY)


def test_delete_can_be_repeated(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    driver.storage.delete(KEY)
    driver.storage.delete(KEY)
    assert driver.stored_keys() == []


@pytest.mark.parametrize("times", [1, 2])
def test_file_that_is_moved_once_or_again_has_only_its_new_key(driver: StorageDriver, times: int) -> None:
    driver.put(b"a scan")
    for _ in range(times):
        driver.storage.move(KEY, OTHER_KEY)
    assert (driver.stored_keys(), driver.read(OTHER_KEY)) == ([OTHER_KEY], b"a scan")


def test_interrupted_move_is_completed(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    driver.put(b"a scan", OTHER_KEY)
    driver.storage.move(KEY, OTHER_KEY)
    assert (driver.stored_keys(), driver.read(OTHER_KEY)) == ([OTHER_KEY], b"a scan")


def test_move_does_not_overwrite_other_content(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    driver.put(b"another", OTHER_KEY)
    with pytest.raises(KeyTaken):
        driver.storage.move(KEY, OTHER_KEY)
    assert (driver.read(), driver.read(OTHER_KEY)) == (b"a scan", b"another")


def test_move_to_the_same_key_is_rejected(driver: StorageDriver) -> None:
    driver.put(b"a scan")
    with pytest.raises(ValueError, match="to itself"):
        driver.storage.move(KEY, KEY)
    assert driver.read() == b"a scan"


@pytest.fixture
def three_keys(driver: StorageDriver) -> Sequence[str]:
    keys = ["appointments/reports/2026/10/a.pdf", "appointments/reports/2026/11/b.pdf", "profiles/2026/11/c.jpg"]
    for key in keys:
        driver.put(b"12345", key)
    return keys


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", slice(None)),
        ("appointments/", slice(2)),
        ("appointments/reports/2026/11/", slice(1, 2)),
        ("profiles/", slice(2, None)),
        ("quarantine/", slice(0)),
    ],
)
def test_list_returns_all_files_under_a_folder(
    driver: StorageDriver, three_keys: Sequence[str], prefix: str, expected: slice
) -> None:
    assert sorted(driver.stored_keys(prefix)) == three_keys[expected]


def test_list_returns_the_same_metadata_as_stat(driver: StorageDriver, three_keys: Sequence[str]) -> None:
    found: list[StoredFile] = list(driver.storage.list_files(older_than=soon()))
    assert found == [driver.storage.stat(key) for key in three_keys]


def test_list_leaves_out_younger_files(driver: StorageDriver, three_keys: Sequence[str]) -> None:
    assert list(driver.storage.list_files(older_than=clock.now() - timedelta(minutes=1))) == []


def test_incoming_file_is_not_listed(driver: StorageDriver) -> None:
    driver.receive(b"half of a scan")
    assert driver.stored_keys() == []


def test_leftover_of_incoming_is_found(driver: StorageDriver) -> None:
    path = driver.receive(b"half of a scan")
    assert list(driver.storage.leftovers(older_than=soon())) == [path]


def test_young_incoming_file_is_not_a_leftover(driver: StorageDriver) -> None:
    driver.receive(b"half of a scan")
    assert list(driver.storage.leftovers(older_than=clock.now() - timedelta(minutes=1))) == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "incoming/file", "profiles/2026/11/a.jpg\n"])
def test_invalid_key_is_rejected(driver: StorageDriver, call: Call, key: str) -> None:
    with pytest.raises(InvalidKey):
        call(driver.storage, key)


@pytest.mark.parametrize("prefix", ["..", "../", "/", "profiles", "incoming/", "profiles/\n", "profiles//"])
def test_invalid_prefix_is_rejected(driver: StorageDriver, prefix: str) -> None:
    with pytest.raises(InvalidKey):
        list(driver.storage.list_files(prefix, older_than=soon()))


def test_put_of_a_missing_source_fails(driver: StorageDriver) -> None:
    with pytest.raises(StorageUnavailable):
        driver.storage.put(KEY, driver.storage.incoming() / "nothing")


def test_process_killed_while_storing_leaves_no_partial_file(driver: StorageDriver, tmp_path: Path) -> None:
    driver.storage.incoming()
    command: list[str | Path] = [sys.executable, ROOT / "tests/infra/store_until_killed.py", *driver.location]
    process = Process("store_until_killed", command, tmp_path / "log", env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: len(driver.stored_keys()) > 20, what="some files")
    finally:
        kill_group(process)
    contents = [driver.read(key) for key in driver.stored_keys()]
    # SeaweedFS (4.48) stores an empty file for a request without a body; Amazon's S3 does not.
    assert all(is_complete(content) for content in contents if content or not isinstance(driver.storage, S3Storage))
