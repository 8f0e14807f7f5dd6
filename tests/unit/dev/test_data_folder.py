"""$VAR_DIR is used by one run at a time, and only folders that `make run` created are removed."""

from pathlib import Path

import pytest

from dev.data_folder import DataFolder, FolderInUse
from dev.servers import ServerError


def test_a_second_run_is_refused_while_the_first_one_holds_the_lock(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    with folder.locked(), pytest.raises(FolderInUse, match="another `make run` uses"), DataFolder(folder.path).locked():
        pytest.fail("two runs at once")
    with folder.locked():
        pass


def test_remove_is_refused_at_once_while_a_run_holds_the_lock(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    with folder.locked():
        (folder.path / "appointments").touch()
        with pytest.raises(FolderInUse):
            folder.remove()
        assert (folder.path / "appointments").exists()


def test_remove_deletes_the_files_of_a_run(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    with folder.locked():
        (folder.path / "mongo").mkdir()
    assert folder.remove() == f"{folder.path} is removed"
    assert not folder.path.exists()
    assert folder.remove().endswith("nothing to remove")


def test_a_folder_of_another_program_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    folder = DataFolder(tmp_path)
    with pytest.raises(ServerError, match="choose another VAR_DIR"), folder.locked():
        pytest.fail("used")
    with pytest.raises(ServerError, match="choose another VAR_DIR"):
        folder.remove()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_command_beside_a_run_reads_the_addresses_of_its_servers(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    with folder.locked():
        folder.write_servers({"REDIS_URL": "redis://127.0.0.1:1/0"})
        assert DataFolder(folder.path).read_servers() == {"REDIS_URL": "redis://127.0.0.1:1/0"}
