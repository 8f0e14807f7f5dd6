"""The files that pages load: style sheets, htmx, and small modules. They are small, so a process holds them."""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import url_for

from arthomed import payments

_FOLDERS = (Path(__file__).parent / "static", Path(payments.__file__).parent / "templates")  # it has that of receipts
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
_VERSION_LETTERS = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, also compressed; the version is a digest of it."""

    media_type: str
    content: bytes
    compressed: bytes
    version: str


def names() -> list[str]:
    return sorted(_paths())


def _paths() -> dict[str, Path]:
    return {path.name: path for folder in _FOLDERS for path in folder.iterdir() if path.suffix in _MEDIA_TYPES}


@cache
def find(name: str) -> Asset | None:
    path = _paths().get(name)
    if path is None:
        return None
    content = path.read_bytes()
    version = sha256(content).hexdigest()[:_VERSION_LETTERS]
    return Asset(_MEDIA_TYPES[path.suffix], content, gzip.compress(content, mtime=0), version)


def url(name: str) -> str:
    """The address of a file, which is another one when the file changes."""
    found = find(name)
    assert found is not None, name  # noqa: S101  templates name existing files
    return url_for("dashboard_files.static_file", name=name, v=found.version)
