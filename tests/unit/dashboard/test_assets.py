"""The files that pages load: what is vendored is what its authors published, and all of it is small."""

from hashlib import sha256
from pathlib import Path

from arthomed.dashboard import assets

STATIC = Path(assets.__file__).parent / "static"
VENDORED = [
    line.split() for line in (STATIC / "VENDORED").read_text().splitlines() if line and not line.startswith("#")
]


def test_vendored_files_have_the_checksums_of_their_list() -> None:
    assert VENDORED
    for name, _package, _version, _licence, checksum in VENDORED:
        assert sha256((STATIC / name).read_bytes()).hexdigest() == checksum, name


def test_scripts_and_styles_keep_to_their_weight() -> None:
    weights = {name: len(found.compressed) for name in assets.names() if (found := assets.find(name))}

    assert sum(weight for name, weight in weights.items() if name.endswith(".js")) <= 40 * 1024
    assert sum(weight for name, weight in weights.items() if name.endswith(".css")) <= 15 * 1024


def test_a_name_outside_the_folder_is_no_file() -> None:
    assert [assets.find(name) for name in ("VENDORED", "../app.py", "", "nothing.css")] == [None] * 4
