"""Does one thing with a folder of files over and over, dying one step later each time: `dying.py FOLDER put|move`.

What the last one was about is told: it did not die any more.
"""

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from arthomed.files.storage import Storage
from arthomed.infra.storage import LocalStorage

STEPS = {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.utime"}  # what Python calls them
DEAD = 9


def key_of(number: int) -> str:
    return f"profiles/2026-{number}/11/a.jpg"


def new_key_of(number: int) -> str:
    return f"quarantine/2026-{number}/11/a.jpg"


def content_of(number: int) -> bytes:
    return str(number).encode() * 1000


def dies(step: int, action: Callable[[], None]) -> bool:
    """Let a child do it, up to before a step, with nothing of what Python does at an ordinary end."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DEAD
    steps = itertools.count(1)
    sys.addaudithook(lambda event, _: os._exit(DEAD) if event in STEPS and next(steps) == step else None)
    action()
    os._exit(0)


def attempt(storage: Storage, verb: str, number: int) -> bool:
    path = storage.incoming() / str(number)
    path.write_bytes(content_of(number))
    if verb == "put":
        return dies(number, lambda: storage.put(key_of(number), path))
    storage.put(key_of(number), path)
    return dies(number, lambda: storage.move(key_of(number), new_key_of(number)))


def main(folder: str, verb: str) -> None:
    storage = LocalStorage(Path(folder))
    storage.prepare()
    print(next(number for number in itertools.count(1) if not attempt(storage, verb, number)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
