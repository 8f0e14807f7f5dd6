"""npm for the TypeScript client, on machines with Node."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CLIENT = Path(__file__).resolve().parents[2] / "clients" / "typescript"
_MIN_NODE = 20
Npm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def npm() -> Npm:
    """Run npm in the client's folder, with its locked packages installed."""
    if not (shutil.which("npm") and _node_version() >= _MIN_NODE):
        pytest.skip(f"the TypeScript client needs npm and Node {_MIN_NODE}, which are not installed")
    if not _is_installed():
        _run("ci", "--no-audit", "--no-fund")
    return _run


def _run(*arguments: str, cwd: Path = CLIENT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    completed = subprocess.run(
        ["npm", *arguments], check=False, cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed


def _node_version() -> int:
    found = shutil.which("node") and subprocess.check_output(["node", "--version"], text=True)
    match = re.match(r"v(\d+)", found or "")
    return int(match[1]) if match else 0


def _is_installed() -> bool:
    """Whether npm has installed the packages of the lock file: it writes this file at the end."""
    installed = CLIENT / "node_modules" / ".package-lock.json"
    return installed.exists() and installed.stat().st_mtime >= (CLIENT / "package-lock.json").stat().st_mtime
