"""A second process of the application that answers GET requests, with a cache of its own or without one."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from arthomed.app import create_app
from arthomed.config import settings
from arthomed.dashboard.day_rows import drawn
from arthomed.frontdesk.schemas.queue import dump_item
from arthomed.frontdesk.service import rows
from arthomed.http import cache
from tests.stack import ROOT

Request = tuple[str, dict[str, str]]
"""Path and headers."""


def get(app: Flask, requests: Sequence[Request]) -> list[Any]:
    """The status and the body of each response, without the timestamp."""
    client = app.test_client(use_cookies=False)  # those of a request are in its headers
    responses = [client.get(path, headers=headers) for path, headers in requests]
    return [[response.status_code, _body_of(response)] for response in responses]


def _body_of(response: TestResponse) -> Any:
    return {**response.get_json(), "timestamp": None} if response.is_json else response.text


class SecondProcess:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def get(self, requests: Sequence[Request], *, with_cache: bool = True) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([with_cache, requests]) + "\n")
        self._process.stdin.flush()
        responses: list[Any] = json.loads(self._process.stdout.readline())
        return responses


@contextmanager
def running() -> Iterator[SecondProcess]:
    command = [sys.executable, "-m", "tests.api.caching.second_process"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield SecondProcess(process)
        process.terminate()


def main() -> None:
    app = create_app(settings())
    for line in sys.stdin:
        with_cache, requests = json.loads(line)
        if not with_cache:
            cache.register(app)  # empties the cache
            rows.kept.clear()
            dump_item.cache_clear()
            drawn.cache_clear()
        sys.stdout.write(json.dumps(get(app, requests)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
