"""Messages of `make run` and of commands on its data."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.servers import free_port
from dev.welcome import welcome
from tests.stack import ROOT


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.run", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False)


def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run(PORT=port, VAR_DIR=str(tmp_path / "var"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"make run: port {port} can't be used (address already in use)")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_an_invalid_port_is_reported_in_one_line(tmp_path: Path, port: str) -> None:
    done = run(PORT=port, VAR_DIR=str(tmp_path / "var"))
    assert (done.returncode, done.stderr) == (1, f"make run: PORT={port} is not a port number\n")


def test_a_command_runs_with_the_servers_and_returns_its_exit_code(tmp_path: Path) -> None:
    var = str(tmp_path / "var")
    done = run("sh", "-c", "echo $REDIS_URL $APP_ENV; exit 7", VAR_DIR=var, MONGODB_URI="mongodb://db", REDIS_URL="")
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1].startswith("redis://127.0.0.1:")
    assert done.stdout.endswith(" development\n")
    missing = run("no-such-command", VAR_DIR=var, MONGODB_URI="mongodb://db", REDIS_URL="redis://cache")
    assert (missing.returncode, missing.stderr) == (1, "make run: no-such-command: No such file or directory\n")


@pytest.mark.parametrize(("port", "address"), [(5000, ""), (8000, " http://127.0.0.1:8000")])
def test_the_command_of_the_first_booking_is_that_of_the_readme(port: int, address: str) -> None:
    command = ".venv/bin/python dev/first_booking.py"

    assert f"    {command}{address}\n" in welcome(port=port, var_dir="var")
    assert f"    {command}\n" in (ROOT / "README.md").read_text()
    assert (ROOT / command.split()[1]).exists()


def test_the_first_booking_without_a_running_clinic_says_what_to_start() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "dev/first_booking.py", url], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr == f"Nothing useful answers at {url} ([Errno 111] Connection refused): start `make run` first\n"


@pytest.mark.parametrize("options", [[], ["LONG=1"]], ids=str)
def test_make_test_says_why_tests_are_skipped(options: list[str]) -> None:
    done = subprocess.run(["make", "--dry-run", "test", *options], cwd=ROOT, capture_output=True, text=True, check=True)
    runs = [line for line in done.stdout.splitlines() if "-m pytest" in line]

    assert len(runs) == 2
    assert all(" -rs " in line for line in runs)
