"""The web servers listen on loopback only: outside production always, in production without a declared proxy.

Outside production secrets are known and codes are published. Without a proxy a few slow connections stop gunicorn.
"""

import os
import subprocess
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from dev.servers import free_port
from tests.stack import BIN, ROOT, wait_for
from tests.unit.config.environment import PRODUCTION

pytestmark = pytest.mark.long

REFUSAL = "0.0.0.0 is not a loopback address, but APP_ENV={} publishes one-time codes: "
NO_PROXY = "0.0.0.0 is not a loopback address, but a few slow connections stop gunicorn unless a proxy buffers them: "
IN_PRODUCTION = {name: value for name, value in PRODUCTION.items() if name not in ("MONGODB_URI", "REDIS_URL")}
NO_DATABASE = "MongoDB can't be reached; see MONGODB_URI"


def environment_of(folder: Path, **changes: str) -> dict[str, str]:
    """An environment without a database."""
    servers = {"MONGODB_URI": "mongodb://127.0.0.1:1/clinic", "REDIS_URL": "redis://127.0.0.1:1/0"}
    var = {"VAR_DIR": str(folder / "var"), "UPLOADS_DIR": str(folder / "uploads"), "PORT": str(free_port())}
    inherited = {name: value for name, value in os.environ.items() if name not in ("APP_ENV", "HOST")}
    return {**inherited, **servers, **var, **changes}


def start_gunicorn(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Start gunicorn without a database, so that it ends in any case; its exit code is 1."""
    command: list[str | Path] = [BIN / "gunicorn", "-c", "gunicorn.conf.py", *arguments, "wsgi:app"]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment_of(folder, **env), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1, ended.stderr
    return ended


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        ([], {"HOST": "0.0.0.0"}),
        ([], {"HOST": "0.0.0.0", "APP_ENV": "test"}),
        (["--bind", "0.0.0.0:{port}"], {}),
        ([], {"GUNICORN_CMD_ARGS": "--bind 0.0.0.0:{port}"}),
    ],
    ids=["HOST", "HOST in test", "--bind", "GUNICORN_CMD_ARGS"],
)
def test_gunicorn_refuses_a_public_address_outside_production(
    tmp_path: Path, arguments: list[str], env: dict[str, str]
) -> None:
    options = [word.format(port=free_port()) for word in arguments]

    ended = start_gunicorn(tmp_path, *options, **{name: value.format(port=free_port()) for name, value in env.items()})

    assert REFUSAL.format(env.get("APP_ENV", "development")) in ended.stderr
    assert "ALLOW_PUBLIC_DEVELOPMENT=true" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_gunicorn_refuses_a_public_address_in_production_without_a_proxy(tmp_path: Path) -> None:
    ended = start_gunicorn(tmp_path, **IN_PRODUCTION)  # HOST is 0.0.0.0 by default

    assert NO_PROXY in ended.stderr
    assert "set TRUSTED_PROXIES=1, or set HOST=127.0.0.1" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        ([], {}),
        (["--bind", "unix:{folder}/gunicorn.sock"], {}),
        (["--bind", "0.0.0.0:{port}"], {"ALLOW_PUBLIC_DEVELOPMENT": "true"}),
        ([], {**IN_PRODUCTION, "TRUSTED_PROXIES": "1"}),
    ],
    ids=["loopback", "UNIX socket", "allowed explicitly", "behind a proxy"],
)
def test_gunicorn_accepts_the_address(tmp_path: Path, arguments: list[str], env: dict[str, str]) -> None:
    options = [word.format(folder=tmp_path, port=free_port()) for word in arguments]

    assert start_gunicorn(tmp_path, *options, **env).stderr.splitlines()[-1].startswith(NO_DATABASE)


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["--host", "0.0.0.0"], {}),
        (["--host", "0.0.0.0", "--debug"], {}),
        ([], {"FLASK_RUN_HOST": "0.0.0.0", "APP_ENV": "test"}),
    ],
    ids=["--host", "--debug", "FLASK_RUN_HOST"],
)
def test_flask_run_refuses_a_public_address_outside_production(
    tmp_path: Path, arguments: list[str], env: dict[str, str]
) -> None:
    command: list[str | Path] = [BIN / "flask", "run", "--port", str(free_port()), *arguments]

    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment_of(tmp_path, **env),
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert ended.returncode == 1, ended.stderr
    assert REFUSAL.format(env.get("APP_ENV", "development")) in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "env"),
    [([], {}), (["--host", "0.0.0.0"], {"ALLOW_PUBLIC_DEVELOPMENT": "true"})],
    ids=["loopback", "allowed explicitly"],
)
def test_flask_run_accepts_the_address(tmp_path: Path, arguments: list[str], env: dict[str, str]) -> None:
    port = free_port()
    command: list[str | Path] = [BIN / "flask", "run", "--port", str(port), *arguments]

    def is_healthy() -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                return bool(response.status == 200)
        except URLError:
            return False

    with subprocess.Popen(command, cwd=ROOT, env=environment_of(tmp_path, **env), stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(is_healthy, seconds=20, what="flask run")
        finally:
            server.terminate()
