"""Repeats an operation of LocalStorage, and dies one step later each time: `die_at_each_step.py FOLDER put|move`.

Prints the number of the first repetition that completed.
"""

import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from arthomed.files.storage import Storage
from arthomed.infra.storage import LocalStorage

STEPS = {
    "open",
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.utime",
}  # names of Python's audit events
EXIT_CODE = 9


def key_of(number: int) -> str:
    return f"profiles/2026-{number}/11/a.jpg"


def new_key_of(number: int) -> str:
    return f"quarantine/2026-{number}/11/a.jpg"


def content_of(number: int) -> bytes:
    return str(number).encode() * 1000


def dies(step: int, action: Callable[[], None]) -> bool:
    """Run the action in a child process that exits just before a step, without Python's cleanup; whether it exited."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == EXIT_CODE
    steps = itertools.count(1)
    sys.addaudithook(lambda event, _: os._exit(EXIT_CODE) if event in STEPS and next(steps) == step else None)
    action()
    os._exit(0)


def dies_at(storage: Storage, operation: str, number: int) -> bool:
    path = storage.incoming() / str(number)
    path.write_bytes(content_of(number))
    if operation == "put":
        return dies(number, lambda: storage.put(key_of(number), path))
    storage.put(key_of(number), path)
    return dies(number, lambda: storage.move(key_of(number), new_key_of(number)))


def main(folder: str, operation: str) -> None:
    storage = LocalStorage(Path(folder))
    storage.prepare()
    print(next(number for number in itertools.count(1) if not dies_at(storage, operation, number)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
