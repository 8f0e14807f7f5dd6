"""$VAR_DIR belongs to one run at a time, and only what is ours is ever removed."""

from pathlib import Path

import pytest

from dev.place import InUseError, Place
from dev.servers import ServerError


def test_second_run_is_refused_while_the_first_one_lasts(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    with place.claimed(), pytest.raises(InUseError, match="another `make run` uses"), Place(place.path).claimed():
        pytest.fail("two at once")
    with place.claimed():
        pass


def test_reset_waits_for_no_run_and_takes_nothing_from_it(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    with place.claimed():
        (place.path / "visits").touch()
        with pytest.raises(InUseError):
            place.reset()
        assert (place.path / "visits").exists()


def test_reset_removes_what_a_run_left(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    with place.claimed():
        (place.path / "mongo").mkdir()
    assert place.reset() == f"{place.path} is removed"
    assert not place.path.exists()
    assert place.reset().endswith("nothing to remove")


def test_folder_of_somebody_else_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    place = Place(tmp_path)
    with pytest.raises(ServerError, match="choose another VAR_DIR"), place.claimed():
        pytest.fail("used")
    with pytest.raises(ServerError, match="choose another VAR_DIR"):
        place.reset()
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_commands_beside_a_run_learn_where_its_servers_are(tmp_path: Path) -> None:
    place = Place(tmp_path / "var")
    with place.claimed():
        place.publish({"REDIS_URL": "redis://127.0.0.1:1/0"})
        assert Place(place.path).published() == {"REDIS_URL": "redis://127.0.0.1:1/0"}
