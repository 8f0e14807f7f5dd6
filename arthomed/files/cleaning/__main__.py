"""`python -m arthomed.files.cleaning FILE_TYPE SOURCE TARGET CPU_SECONDS WALL_SECONDS MEMORY_BYTES`.

TARGET is a path without an extension. The program writes TARGET`.jpg`, `.png` or `.pdf`, and TARGET`_thumbnail.jpg`
for images. It prints the reason when it rejects the file, and nothing when it accepts it. An exit code other than 0
means that the machine failed and not the file; EX_IOERR means that the disk is full or cannot be written to.
"""

import os
import resource
import signal
import sys
from pathlib import Path

from arthomed.files.cleaning import FileRejected, FileType

_OUT_OF_MEMORY = "The file needs more memory than a photograph or a report does; please send a smaller or simpler one"


def main(file_type: FileType, source: Path, target: Path) -> str:
    """Clean the file; returns the reason for a rejection, or an empty string."""
    try:
        _clean(file_type, source, target)
    except FileRejected as rejection:
        return str(rejection)
    except MemoryError:
        return _OUT_OF_MEMORY
    return ""


def _clean(file_type: FileType, source: Path, target: Path) -> None:
    """Import only the library that this type needs."""
    if file_type is FileType.PDF:
        from arthomed.files.cleaning import pdfs  # noqa: PLC0415

        pdfs.clean(source, target)
    else:
        from arthomed.files.cleaning import images  # noqa: PLC0415

        images.clean(source, file_type, target)


def _set_limits(cpu_seconds: int, wall_seconds: int, memory_bytes: int) -> None:
    """Let the kernel enforce the limits: by SIGXCPU, by SIGALRM (even if the parent died) and by failed allocations."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(wall_seconds)
    os.umask(0o077)


if __name__ == "__main__":
    _file_type, _source, _target, *_limits = sys.argv[1:]
    _set_limits(*map(int, _limits))
    try:
        sys.stdout.write(main(FileType(_file_type), Path(_source), Path(_target)))
    except OSError as error:
        if error.errno is None:
            raise
        sys.exit(os.EX_IOERR)
