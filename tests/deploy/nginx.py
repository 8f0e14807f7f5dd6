"""Runs nginx with deploy/nginx.conf, adapted to the ports and folders of a test."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dev.processes import Process
from dev.servers import free_port
from tests.stack import ROOT, Stack, wait_for

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVER = "server web:5000 "

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@contextmanager
def in_front_of(stacks: Sequence[Stack], folder: Path, changes: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield the URL of nginx. The folder has its `access.log`; `changes` are replacements in the configuration."""
    port = free_port()
    configuration = (ROOT / "deploy/nginx.conf").read_text()
    [line] = [one for one in configuration.splitlines() if SERVER in one]
    for original, replacement in {
        "/tmp/": f"{folder}/",  # first, because later replacements contain /tmp/
        line: "\n".join(line.replace("web", "127.0.0.1").replace("5000", str(stack.port)) for stack in stacks),
        "user arthomed;": "user root;",  # the owner of the files, if root runs the tests; otherwise nginx ignores it
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "/srv/uploads/": f"{stacks[0].env['UPLOADS_DIR']}/",
        "/dev/stdout": f"{folder}/access.log",
        **(changes or {}),
    }.items():
        assert original in configuration
        configuration = configuration.replace(original, replacement)
    (folder / "nginx.conf").write_text(configuration)
    command = [str(NGINX), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    process = Process("nginx", command, folder / "nginx.log", env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), what="nginx")
        yield url
    finally:
        process.stop(within=5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False
