"""LocalStorage: file modes, symbolic links, full or unmounted disks, and processes that die in the middle."""

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

from arthomed.files.storage import FileMissing, StorageUnavailable, is_key, translate_disk_errors
from arthomed.infra.storage import LocalStorage
from tests.infra import die_at_each_step
from tests.infra.storage_driver import CALLS_AND_LIST, KEY, StorageDriver, soon
from tests.stack import ROOT


def run(script: str, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> str:
    command = [*prefix, sys.executable, ROOT / "tests/infra" / script, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def root(folder: StorageDriver) -> Path:
    return folder.storage.incoming().parent


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that would let every user read new files."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_only_the_owner_can_read_a_file(folder: StorageDriver, root: Path, open_umask: None) -> None:
    folder.put(b"a scan")
    assert S_IMODE((root / KEY).stat().st_mode) == 0o600


def test_only_the_owner_can_read_folders(folder: StorageDriver, root: Path, open_umask: None) -> None:
    folder.put(b"a scan")
    folders = [root / "incoming", *list((root / KEY).parents)[:4]]
    assert {S_IMODE(each.stat().st_mode) for each in folders} == {0o700}


@pytest.mark.parametrize("prefix", ["/protected", "/protected/"])
def test_accel_path_has_the_configured_prefix(tmp_path: Path, prefix: str) -> None:
    assert LocalStorage(tmp_path, accel_prefix=prefix).accel_path(KEY) == f"/protected/{KEY}"


def test_accel_path_is_none_without_a_prefix(tmp_path: Path) -> None:
    assert LocalStorage(tmp_path).accel_path(KEY) is None


def test_folder_has_no_download_urls(folder: StorageDriver) -> None:
    assert folder.storage.download_url(KEY, "scan.jpg", "image/jpeg") is None


def test_symlink_is_not_followed(folder: StorageDriver, root: Path) -> None:
    (root / KEY).parent.mkdir(parents=True)
    (root / KEY).symlink_to("/etc/passwd")
    with pytest.raises(FileMissing):
        folder.storage.open(KEY)


@pytest.mark.parametrize("name", ["profiles/2026/My Scan.JPG", "foreign", "appointments/.hidden"])
def test_foreign_file_is_listed(folder: StorageDriver, root: Path, name: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    assert [(key, is_key(key)) for key in folder.stored_keys()] == [(name, False)]


@pytest.mark.parametrize("name", [".gitkeep", "lost+found/#12"])
def test_system_entries_of_the_root_are_not_listed(folder: StorageDriver, root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).touch()
    assert folder.stored_keys() == []


@pytest.mark.parametrize("call", ["stat", "open", "move from", "delete", "list"])
def test_calls_are_unavailable_while_the_disk_is_not_mounted(folder: StorageDriver, root: Path, call: str) -> None:
    folder.put(b"a scan")
    root.rename(root.with_name("elsewhere"))
    root.mkdir()
    with pytest.raises(StorageUnavailable):
        CALLS_AND_LIST[call](folder.storage, KEY)


def test_incoming_is_unavailable_while_the_disk_is_not_mounted(folder: StorageDriver, root: Path) -> None:
    root.rename(root.with_name("elsewhere"))
    with pytest.raises(StorageUnavailable):
        folder.storage.incoming()


def test_list_of_an_unreadable_folder_is_unavailable(folder: StorageDriver, root: Path) -> None:
    (root / "profiles").symlink_to("profiles")  # a symlink loop fails even for root
    with pytest.raises(StorageUnavailable, match="ELOOP"):
        folder.stored_keys("profiles/")


def test_reading_a_file_that_shrank_is_unavailable(folder: StorageDriver, root: Path) -> None:
    folder.put(bytes(100))
    with closing(folder.storage.open(KEY)) as content:
        os.truncate(root / KEY, 10)
        with pytest.raises(StorageUnavailable):
            b"".join(content)


def test_full_disk_is_unavailable() -> None:
    with (
        pytest.raises(StorageUnavailable, match="ENOSPC"),
        translate_disk_errors(),
        Path("/dev/full").open("wb", 0) as full,
    ):
        full.write(b"a scan")


def test_os_error_without_errno_passes_through() -> None:
    with pytest.raises(OSError, match="truncated"), translate_disk_errors():
        raise OSError("image file is truncated")  # as Pillow does


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """The command prefix that creates a mount namespace."""
    command = ("unshare", "--user", "--map-root-user", "--mount")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("mount namespaces are not permitted here")
    return command


def test_full_or_read_only_disk_rejects_new_files_and_keeps_stored_ones(
    namespace: tuple[str, ...], tmp_path: Path
) -> None:
    assert json.loads(run("full_disk.py", tmp_path, prefix=namespace)) == {
        "no inodes left": "ENOSPC, incoming: True",
        "inodes freed": "stored",
        "content": "a scan",
        "no space left": "ENOSPC",
        "read-only": "EROFS, incoming: True",
        "content on a read-only disk": "a scan",
    }


@pytest.fixture
def puts(folder: StorageDriver, root: Path) -> range:
    """The numbers of the puts; each but the last died one step later."""
    return range(1, 1 + int(run("die_at_each_step.py", root, "put")))


@pytest.fixture
def moves(folder: StorageDriver, root: Path) -> range:
    return range(1, 1 + int(run("die_at_each_step.py", root, "move")))


def test_put_that_died_at_any_step_lost_no_file(folder: StorageDriver, puts: range) -> None:
    left = {int(path.name) for path in folder.storage.leftovers(older_than=soon())}
    stored = {number for number in puts if die_at_each_step.key_of(number) in folder.stored_keys()}
    assert left | stored == set(puts)


def test_put_that_died_at_any_step_left_no_partial_file(folder: StorageDriver, puts: range) -> None:
    stored = [number for number in puts if die_at_each_step.key_of(number) in folder.stored_keys()]
    assert [folder.read(die_at_each_step.key_of(n)) for n in stored] == [die_at_each_step.content_of(n) for n in stored]


def test_put_that_died_at_any_step_can_be_repeated(folder: StorageDriver, puts: range) -> None:
    for path in folder.storage.leftovers(older_than=soon()):
        folder.storage.put(die_at_each_step.key_of(int(path.name)), path)
    assert sorted(folder.stored_keys()) == sorted(map(die_at_each_step.key_of, puts))


def test_move_that_died_at_any_step_lost_no_file(folder: StorageDriver, moves: range) -> None:
    stored = set(folder.stored_keys())
    assert [n for n in moves if not stored & {die_at_each_step.key_of(n), die_at_each_step.new_key_of(n)}] == []


def test_move_that_died_at_any_step_can_be_repeated(folder: StorageDriver, moves: range) -> None:
    for number in moves:
        folder.storage.move(die_at_each_step.key_of(number), die_at_each_step.new_key_of(number))
    assert sorted(folder.stored_keys()) == sorted(map(die_at_each_step.new_key_of, moves))
