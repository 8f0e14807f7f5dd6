"""Messages of `make run` and of commands on its data."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_commands_of_the_first_booking_are_valid_shell() -> None:
    _, _, commands = welcome(port=5000, var_dir="var").partition("(sh, curl, python3):\n")
    assert commands.count("# ") == 3
    subprocess.run(["sh", "-n"], input=commands, text=True, check=True)
