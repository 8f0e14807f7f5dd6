"""`python -m arthomed.files.cleaning KIND SOURCE TARGET CPU_SECONDS WALL_SECONDS MEMORY_BYTES`.

TARGET is a path without extension: beside it `.jpg`, `.png` or `.pdf` and for images `_thumbnail.jpg` are made.
Says why the file is refused, or nothing. An exit code other than 0 means that the machine failed, not the file:
EX_IOERR that its disk did, which is full or can't be written to.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from arthomed.files.cleaning.verdict import Kind, Refused

_TOO_MUCH = "The file needs more memory than a photograph or a report does"


def main(kind: Kind, source: Path, target: Path) -> str:
    try:
        _clean(kind, source, target)
    except Refused as refusal:
        return str(refusal)
    except MemoryError:
        return _TOO_MUCH
    return ""


def _clean(kind: Kind, source: Path, target: Path) -> None:
    """Only the library that is needed is loaded."""
    if kind is Kind.PDF:
        from arthomed.files.cleaning import pdfs  # noqa: PLC0415

        pdfs.clean(source, target)
    else:
        from arthomed.files.cleaning import images  # noqa: PLC0415

        images.clean(source, kind, target)


def _confine(cpu_seconds: int, wall_seconds: int, memory_bytes: int) -> None:
    """Kept by the kernel: SIGXCPU, SIGALRM (also when the parent is gone) and a refused allocation."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(wall_seconds)
    os.umask(0o077)


if __name__ == "__main__":
    _kind, _source, _target, *_limits = sys.argv[1:]
    _confine(*map(int, _limits))
    try:
        sys.stdout.write(main(Kind(_kind), Path(_source), Path(_target)))
    except OSError as error:
        if error.errno is None:
            raise
        sys.exit(os.EX_IOERR)
