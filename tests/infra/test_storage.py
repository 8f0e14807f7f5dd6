"""What holds for a folder and for a bucket alike."""

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

from arthomed.core import clock
from arthomed.files.storage import FileMissing, InvalidKey, KeyTaken, Storage, StorageUnavailable, StoredFile
from arthomed.infra.s3 import S3Storage
from dev.processes import Process
from tests.infra.filling import is_whole
from tests.infra.shelf import CALLS, KEY, OTHER, Shelf, soon
from tests.stack import ROOT, kill_group, wait_for

TEN_MB = 10 * 1024 * 1024


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, TEN_MB])
def test_what_was_put_is_read_again(shelf: Shelf, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    shelf.put(content)
    assert shelf.read() == content


def test_what_was_put_is_no_longer_incoming(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    assert list(shelf.storage.incoming().iterdir()) == []


def test_a_file_tells_its_size(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    assert shelf.storage.find(KEY).size == 6


def test_a_file_tells_when_it_was_stored(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    assert abs(shelf.storage.find(KEY).stored - clock.now()) < timedelta(minutes=1)


def test_a_file_that_took_long_to_come_in_counts_as_stored_now(shelf: Shelf) -> None:
    path = shelf.receive(b"a scan")
    os.utime(path, (0, 0))
    shelf.storage.put(KEY, path)
    assert abs(shelf.storage.find(KEY).stored - clock.now()) < timedelta(minutes=1)


def test_nothing_is_overwritten(shelf: Shelf) -> None:
    shelf.put(b"the first")
    with pytest.raises(KeyTaken):
        shelf.put(b"the other")
    assert shelf.read() == b"the first"


def test_a_file_that_could_not_be_put_stays_incoming(shelf: Shelf) -> None:
    shelf.put(b"the first")
    path = shelf.receive(b"the other")
    with pytest.raises(KeyTaken):
        shelf.storage.put(KEY, path)
    assert path.read_bytes() == b"the other"


def test_a_put_whose_answer_was_lost_may_be_done_again(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.put(b"a scan")
    assert shelf.read() == b"a scan"


def test_one_of_two_who_put_at_once_wins(shelf: Shelf) -> None:
    together = Barrier(4)

    def put(content: bytes) -> bytes | None:
        path = shelf.receive(content)
        together.wait()
        try:
            shelf.storage.put(KEY, path)
        except KeyTaken:
            return None
        return content

    with ThreadPoolExecutor(4) as pool:
        winners = [won for won in pool.map(put, [str(n).encode() * 5000 for n in range(4)]) if won]
    assert winners == [shelf.read()]


@pytest.mark.parametrize("call", ["find", "open", "move from", "move to"])
def test_a_missing_file_is_missing(shelf: Shelf, call: str) -> None:
    shelf.put(b"a scan", "profiles/2026/11/someone-elses.jpg")
    with pytest.raises(FileMissing):
        CALLS[call](shelf.storage, KEY)


def test_a_name_that_another_begins_with_is_missing(shelf: Shelf) -> None:
    shelf.put(b"a scan", "profiles/2026/11/user_12.jpg")
    with pytest.raises(FileMissing):
        shelf.storage.find("profiles/2026/11/user_1")


@pytest.mark.parametrize(("start", "end"), [(0, 1), (3, 7), (5, None), (0, None), (8, 99), (9, 10), (0, 10)])
def test_a_part_is_read(shelf: Shelf, start: int, end: int | None) -> None:
    shelf.put(b"0123456789")
    assert shelf.read(start=start, end=end) == b"0123456789"[start:end]


@pytest.mark.parametrize(("start", "end"), [(0, 1), (5, None), (0, None), (8, 99)])
def test_a_part_tells_the_size_of_the_whole(shelf: Shelf, start: int, end: int | None) -> None:
    shelf.put(b"0123456789")
    with closing(shelf.storage.open(KEY, start, end)) as content:
        assert content.size == 10


@pytest.mark.parametrize(("start", "end"), [(10, None), (10, 20), (5, 5), (-1, 3), (7, 3), (0, 0)])
def test_a_part_that_is_not_there_is_refused(shelf: Shelf, start: int, end: int | None) -> None:
    shelf.put(b"0123456789")
    with pytest.raises(ValueError, match="no byte"):
        shelf.storage.open(KEY, start, end)


def test_an_open_file_need_not_be_read_to_the_end(shelf: Shelf) -> None:
    shelf.put(bytes(TEN_MB))
    with closing(shelf.storage.open(KEY)) as content:
        first = next(iter(content))
    assert first == bytes(len(first))


def test_an_open_file_comes_in_small_pieces(shelf: Shelf) -> None:
    shelf.put(bytes(TEN_MB))
    with closing(shelf.storage.open(KEY)) as content:
        assert max(map(len, content)) <= 64 * 1024


def test_what_is_deleted_is_missing(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.storage.delete(KEY)
    with pytest.raises(FileMissing):
        shelf.storage.find(KEY)


def test_a_file_may_be_deleted_again(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.storage.delete(KEY)
    shelf.storage.delete(KEY)
    assert shelf.list() == []


def test_what_is_moved_is_only_under_its_new_key(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.storage.move(KEY, OTHER)
    assert (shelf.list(), shelf.read(OTHER)) == ([OTHER], b"a scan")


def test_a_file_may_be_moved_again(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.storage.move(KEY, OTHER)
    shelf.storage.move(KEY, OTHER)
    assert (shelf.list(), shelf.read(OTHER)) == ([OTHER], b"a scan")


def test_a_move_that_was_cut_off_halfway_is_finished(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.put(b"a scan", OTHER)
    shelf.storage.move(KEY, OTHER)
    assert (shelf.list(), shelf.read(OTHER)) == ([OTHER], b"a scan")


def test_a_move_overwrites_nothing(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    shelf.put(b"another", OTHER)
    with pytest.raises(KeyTaken):
        shelf.storage.move(KEY, OTHER)
    assert (shelf.read(), shelf.read(OTHER)) == (b"a scan", b"another")


def test_a_move_to_itself_is_refused(shelf: Shelf) -> None:
    shelf.put(b"a scan")
    with pytest.raises(ValueError, match="to itself"):
        shelf.storage.move(KEY, KEY)
    assert shelf.read() == b"a scan"


@pytest.fixture
def three(shelf: Shelf) -> Sequence[str]:
    keys = ["appointments/reports/2026/10/a.pdf", "appointments/reports/2026/11/b.pdf", "profiles/2026/11/c.jpg"]
    for key in keys:
        shelf.put(b"12345", key)
    return keys


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", slice(None)),
        ("appointments/", slice(2)),
        ("appointments/reports/2026/11/", slice(1, 2)),
        ("profiles/", slice(2, None)),
        ("quarantine/", slice(0)),
    ],
)
def test_all_files_under_a_folder_are_listed(shelf: Shelf, three: Sequence[str], prefix: str, found: slice) -> None:
    assert sorted(shelf.list(prefix)) == three[found]


def test_listed_files_are_as_they_are_found(shelf: Shelf, three: Sequence[str]) -> None:
    found: list[StoredFile] = list(shelf.storage.keys(older_than=soon()))
    assert found == [shelf.storage.find(key) for key in three]


def test_files_of_a_moment_ago_are_not_listed_as_older(shelf: Shelf, three: Sequence[str]) -> None:
    assert list(shelf.storage.keys(older_than=clock.now() - timedelta(minutes=1))) == []


def test_what_is_incoming_is_not_stored(shelf: Shelf) -> None:
    shelf.receive(b"half of a scan")
    assert shelf.list() == []


def test_what_was_left_incoming_is_found(shelf: Shelf) -> None:
    path = shelf.receive(b"half of a scan")
    assert list(shelf.storage.leftovers(older_than=soon())) == [path]


def test_what_came_in_a_moment_ago_is_not_left(shelf: Shelf) -> None:
    shelf.receive(b"half of a scan")
    assert list(shelf.storage.leftovers(older_than=clock.now() - timedelta(minutes=1))) == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "incoming/file", "profiles/2026/11/a.jpg\n"])
def test_no_key_but_ours_reaches_the_storage(shelf: Shelf, call: Callable[[Storage, str], object], key: str) -> None:
    with pytest.raises(InvalidKey):
        call(shelf.storage, key)


@pytest.mark.parametrize("prefix", ["..", "../", "/", "profiles", "incoming/", "profiles/\n", "profiles//"])
def test_no_folder_but_ours_is_listed(shelf: Shelf, prefix: str) -> None:
    with pytest.raises(InvalidKey):
        list(shelf.storage.keys(prefix, older_than=soon()))


def test_a_file_to_put_that_is_not_there_is_no_success(shelf: Shelf) -> None:
    with pytest.raises(StorageUnavailable):
        shelf.storage.put(KEY, shelf.storage.incoming() / "nothing")


def test_a_process_killed_while_it_stores_leaves_no_half_file(shelf: Shelf, tmp_path: Path) -> None:
    shelf.storage.incoming()
    command: list[str | Path] = [sys.executable, ROOT / "tests/infra/filling.py", *shelf.place]
    filling = Process("filling", command, tmp_path / "log", env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(lambda: len(shelf.list()) > 20, what="some files")
    finally:
        kill_group(filling)
    found = [shelf.read(key) for key in shelf.list()]
    # SeaweedFS (4.48) keeps an empty file of a request whose body never came, which Amazon's S3 does not.
    assert all(is_whole(content) for content in found if content or not isinstance(shelf.storage, S3Storage))
