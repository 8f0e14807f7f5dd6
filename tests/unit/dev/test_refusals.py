"""`make run` and `make setup` name cause and remedy in one line."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from dev.servers import Valkey, free_port
from tests.infra.standalone import Standalone
from tests.stack import BIN, ROOT
from tests.unit.dev.test_run import run

NOBODY = 65534


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("standalone")
    with Standalone(folder / "data", folder) as server:
        yield server.uri("clinic")


@pytest.mark.long
def test_make_run_refuses_a_standalone_mongod(tmp_path: Path, standalone: str, valkey: Valkey) -> None:
    done = run(VAR_DIR=str(tmp_path / "var"), PORT=str(free_port()), MONGODB_URI=standalone, REDIS_URL=valkey.url)

    assert done.returncode == 1
    assert done.stderr == (
        "make run: MongoDB runs as a standalone server, see MONGODB_URI, but transactions need a replica set: "
        "start mongod with --replSet rs0, and run rs.initiate() in mongosh once\n"
    )


@pytest.mark.long
def test_make_run_names_a_redis_that_cannot_be_reached(tmp_path: Path) -> None:
    done = run(VAR_DIR=str(tmp_path / "var"), PORT=str(free_port()), REDIS_URL="redis://127.0.0.1:1/0")

    assert done.returncode == 1
    assert done.stderr == (
        "make run: Redis can't be reached; see REDIS_URL (Error 111 connecting to 127.0.0.1:1. Connection refused): "
        "start it, correct REDIS_URL, or unset it for a Valkey of `make run`\n"
    )


def test_make_run_names_a_wrong_setting_in_one_line(tmp_path: Path) -> None:
    uri = f"mongodb://127.0.0.1:{free_port()}/clinic"
    done = run(VAR_DIR=str(tmp_path / "var"), PORT=str(free_port()), MONGODB_URI=uri, REDIS_URL="http://127.0.0.1:6379")

    assert done.returncode == 1
    assert done.stderr == "make run: The configuration can't be used: REDIS_URL: Must begin with redis://.\n"


@pytest.mark.parametrize("target", ["test", "lint", "openapi"])
def test_make_names_a_checkout_that_cannot_be_written(target: str) -> None:
    nobody = NOBODY if os.getuid() == 0 else None
    command = ["make", "--makefile=-", target]
    text = (ROOT / "Makefile").read_text()
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    done = subprocess.run(
        command, input=text, cwd="/", env=env, capture_output=True, text=True, check=False, user=nobody
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "make: / can't be written: copy the checkout to a folder of your own"


def test_a_folder_that_cannot_be_written_is_named() -> None:
    done = run(VAR_DIR="/proc/arthomed", PORT=str(free_port()))

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("make run: /proc/arthomed can't be written (")
    assert done.stderr.endswith("): choose another VAR_DIR, or correct its rights\n")


def test_setup_in_a_read_only_checkout_says_so() -> None:
    script = (ROOT / "dev/setup.sh").read_text()
    nobody = NOBODY if os.getuid() == 0 else None
    done = subprocess.run(["sh"], input=script, cwd="/", capture_output=True, text=True, check=False, user=nobody)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "make setup: / can't be written: copy the checkout to a folder of your own\n"


@pytest.mark.skipif(not (BIN / "uv").exists() and not shutil.which("uv"), reason="no uv is installed")
def test_setup_without_a_network_says_so(tmp_path: Path) -> None:
    (tmp_path / "requirements-dev.txt").write_text("flask==3.1.2 --hash=sha256:" + "0" * 64)
    index = f"http://127.0.0.1:{free_port()}/simple"

    done = setup(tmp_path, UV_DEFAULT_INDEX=index, UV_CACHE_DIR=str(tmp_path / "cache"), UV_HTTP_RETRIES="0")

    assert done.returncode == 1
    assert done.stderr == (
        "make setup: the packages can't be downloaded: connect to the network, or name a mirror "
        "(UV_DEFAULT_INDEX, PIP_INDEX_URL)\n"
    )


@pytest.mark.skipif(not (BIN / "uv").exists() and not shutil.which("uv"), reason="no uv is installed")
def test_setup_prints_a_few_lines_of_progress_and_no_package(tmp_path: Path) -> None:
    wheel = tmp_path / "clinic-1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("clinic.py", "")
        archive.writestr("clinic-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: clinic\nVersion: 1.0\n")
        archive.writestr("clinic-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("clinic-1.0.dist-info/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "requirements-dev.txt").write_text(f"clinic @ file://{wheel} --hash=sha256:{digest}\n")
    (tmp_path / "requirements-fast.txt").touch()

    done = setup(tmp_path, UV_CACHE_DIR=str(tmp_path / "cache"), UV_OFFLINE="1")

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("Installing", "Resolved", "Prepared", "Installed", "Bytecode"),
    ]


def setup(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [ROOT / "dev/setup.sh"],
        cwd=folder,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
    )
