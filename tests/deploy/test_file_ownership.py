"""nginx and the application must run as the same user, because only the owner of a file may read it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from arthomed.infra.storage import LocalStorage
from tests.deploy.nginx import NGINX, SERVER, needs_nginx
from tests.stack import ROOT, wait_for

pytestmark = [needs_nginx, pytest.mark.skipif(os.geteuid() != 0, reason="only root can run nginx as another user")]
_CONFIGURATION = """
daemon off; user nobody nogroup; worker_processes 1; pid {0}/pid; error_log stderr; events {{}}
http {{ access_log off; server {{ listen unix:{0}/socket; }} }}
"""


@pytest.fixture
def nginx_of_nobody(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "nginx.conf").write_text(_CONFIGURATION.format(tmp_path))
    with subprocess.Popen([str(NGINX), "-c", tmp_path / "nginx.conf"]) as process:
        wait_for((tmp_path / "socket").exists, what="nginx")
        yield
        process.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    LocalStorage(tmp_path / "uploads").prepare()
    return tmp_path / "uploads"


@pytest.mark.usefixtures("nginx_of_nobody")
def test_nginx_of_another_user_is_a_problem(folder: Path) -> None:
    storage = LocalStorage(folder, accel_prefix="/_uploads")
    wait_for(lambda: list(storage.ownership_problems()), what="a worker of nginx")
    [problem] = storage.ownership_problems()
    assert "nginx runs as nobody" in problem
    assert "`user root;`" in problem


@pytest.mark.usefixtures("nginx_of_nobody")
def test_nginx_that_sends_no_files_may_run_as_any_user(folder: Path) -> None:
    assert list(LocalStorage(folder).ownership_problems()) == []


def test_files_of_another_user_are_a_problem(folder: Path) -> None:
    for name in ("profiles", "lost+found"):
        (folder / name).mkdir()
        os.chown(folder / name, 65534, 65534)
    assert list(LocalStorage(folder).ownership_problems()) == ["belongs to nobody instead of root: profiles"]


def test_configuration_works_outside_compose_with_one_line_changed(tmp_path: Path) -> None:
    configuration = (ROOT / "deploy/nginx.conf").read_text()
    assert "user arthomed;" in configuration
    changed = configuration.replace(SERVER, "server 127.0.0.1:5000 ").replace("user arthomed;", "user nobody nogroup;")
    (tmp_path / "nginx.conf").write_text(changed)
    checked = subprocess.run(
        [str(NGINX), "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
