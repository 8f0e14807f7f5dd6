"""What is particular to a folder: modes, links, disks that are full or away, and dying halfway."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from stat import S_IMODE

import pytest

from arthomed.files.storage import FileMissing, StorageUnavailable, is_key, reaching_disk
from arthomed.infra.storage import LocalStorage
from tests.infra import dying
from tests.infra.shelf import CALLS, KEY, Shelf, soon
from tests.stack import ROOT


def run(script: str, *arguments: str | Path, before: tuple[str, ...] = ()) -> str:
    command = [*before, sys.executable, ROOT / "tests/infra" / script, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def root(folder: Shelf) -> Path:
    return folder.storage.incoming().parent


@pytest.fixture
def careless() -> Iterator[None]:
    """A process that lets everybody read what it writes."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_is_its_owners_alone(folder: Shelf, root: Path, careless: None) -> None:
    folder.put(b"a scan")
    assert S_IMODE((root / KEY).stat().st_mode) == 0o600


def test_folders_are_their_owners_alone(folder: Shelf, root: Path, careless: None) -> None:
    folder.put(b"a scan")
    folders = [root / "incoming", *list((root / KEY).parents)[:4]]
    assert {S_IMODE(found.stat().st_mode) for found in folders} == {0o700}


@pytest.mark.parametrize("prefix", ["/protected", "/protected/"])
def test_a_web_server_in_front_is_told_the_path(tmp_path: Path, prefix: str) -> None:
    assert LocalStorage(tmp_path, accel_prefix=prefix).accel_path(KEY) == f"/protected/{KEY}"


def test_without_a_web_server_in_front_there_is_no_path(tmp_path: Path) -> None:
    assert LocalStorage(tmp_path).accel_path(KEY) is None


def test_a_folder_has_no_links(folder: Shelf) -> None:
    assert folder.storage.link(KEY, "scan.jpg", "image/jpeg") is None


def test_a_symlink_is_not_followed(folder: Shelf, root: Path) -> None:
    (root / KEY).parent.mkdir(parents=True)
    (root / KEY).symlink_to("/etc/passwd")
    with pytest.raises(FileMissing):
        folder.storage.open(KEY)


@pytest.mark.parametrize("name", ["profiles/2026/My Scan.JPG", "stranger", "appointments/.hidden"])
def test_a_strangers_file_is_listed(folder: Shelf, root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    assert folder.list() == [name]


@pytest.mark.parametrize("name", ["profiles/2026/My Scan.JPG", "stranger", "appointments/.hidden"])
def test_a_strangers_file_is_told_from_ours(name: str) -> None:
    assert not is_key(name)


@pytest.mark.parametrize("name", [".gitkeep", "lost+found/#12"])
def test_what_belongs_to_the_folder_itself_is_not_listed(folder: Shelf, root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).touch()
    assert folder.list() == []


@pytest.mark.parametrize("call", ["find", "open", "move from", "delete"])
def test_no_file_is_called_missing_while_its_disk_is_not_mounted(folder: Shelf, root: Path, call: str) -> None:
    folder.put(b"a scan")
    root.rename(root.with_name("elsewhere"))
    root.mkdir()
    with pytest.raises(StorageUnavailable):
        CALLS[call](folder.storage, KEY)


def test_nothing_is_taken_in_while_the_disk_is_not_mounted(folder: Shelf, root: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(StorageUnavailable):
        folder.storage.incoming()


def test_nothing_is_listed_while_the_disk_is_not_mounted(folder: Shelf, root: Path) -> None:
    folder.put(b"a scan")
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(StorageUnavailable):
        folder.list()


def test_a_folder_that_cannot_be_read_is_not_called_empty(folder: Shelf, root: Path) -> None:
    (root / "profiles").symlink_to("profiles")  # a loop fails for root, too, who may read everything
    with pytest.raises(StorageUnavailable, match="ELOOP"):
        folder.list("profiles/")


def test_a_file_that_shrank_is_not_given_out_as_whole(folder: Shelf, root: Path) -> None:
    folder.put(bytes(100))
    with closing(folder.storage.open(KEY)) as content:
        os.truncate(root / KEY, 10)
        with pytest.raises(StorageUnavailable):
            b"".join(content)


def test_a_full_disk_is_no_error_of_ours() -> None:
    with pytest.raises(StorageUnavailable, match="ENOSPC"), reaching_disk(), Path("/dev/full").open("wb", 0) as full:
        full.write(b"a scan")


def test_an_error_that_is_not_the_systems_passes() -> None:
    with pytest.raises(OSError, match="truncated"), reaching_disk():
        raise OSError("image file is truncated")  # as Pillow says it


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """The command before a command that may mount."""
    found = ("unshare", "--user", "--map-root-user", "--mount")
    if shutil.which("unshare") is None or subprocess.run([*found, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace may be made here")
    return found


def test_a_disk_that_fills_up_or_is_read_only_takes_nothing_and_loses_nothing(
    namespace: tuple[str, ...], tmp_path: Path
) -> None:
    assert json.loads(run("full_disk.py", tmp_path, before=namespace)) == {
        "no name left": "ENOSPC, incoming: True",
        "names again": "stored",
        "stored": "a scan",
        "no room left": "ENOSPC",
        "read-only": "EROFS, incoming: True",
        "still stored": "a scan",
    }


@pytest.fixture
def puts(folder: Shelf, root: Path) -> range:
    """The numbers of puts of which each but the last died one step later."""
    return range(1, 1 + int(run("dying.py", root, "put")))


@pytest.fixture
def moves(folder: Shelf, root: Path) -> range:
    return range(1, 1 + int(run("dying.py", root, "move")))


def test_a_put_that_died_at_any_step_lost_nothing(folder: Shelf, puts: range) -> None:
    left = {int(path.name) for path in folder.storage.leftovers(older_than=soon())}
    stored = {number for number in puts if dying.key_of(number) in folder.list()}
    assert left | stored == set(puts)


def test_a_put_that_died_at_any_step_left_no_half_file(folder: Shelf, puts: range) -> None:
    stored = [number for number in puts if dying.key_of(number) in folder.list()]
    assert [folder.read(dying.key_of(n)) for n in stored] == [dying.content_of(n) for n in stored]


def test_a_put_that_died_at_any_step_may_be_done_again(folder: Shelf, puts: range) -> None:
    for path in folder.storage.leftovers(older_than=soon()):
        folder.storage.put(dying.key_of(int(path.name)), path)
    assert sorted(folder.list()) == sorted(map(dying.key_of, puts))


def test_a_move_that_died_at_any_step_lost_nothing(folder: Shelf, moves: range) -> None:
    stored = set(folder.list())
    assert [n for n in moves if not stored & {dying.key_of(n), dying.new_key_of(n)}] == []


def test_a_move_that_died_at_any_step_may_be_done_again(folder: Shelf, moves: range) -> None:
    for number in moves:
        folder.storage.move(dying.key_of(number), dying.new_key_of(number))
    assert sorted(folder.list()) == sorted(map(dying.new_key_of, moves))
