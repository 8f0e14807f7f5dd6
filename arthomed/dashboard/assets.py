"""The files that pages load: one style sheet, htmx, and one module. They are small, so a process holds them."""

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import url_for

_FOLDER = Path(__file__).parent / "static"
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
    return sorted(path.name for path in _FOLDER.iterdir() if path.suffix in _MEDIA_TYPES)


@cache
def find(name: str) -> Asset | None:
    if name not in names():
        return None
    path = _FOLDER / name
    content = path.read_bytes()
    version = sha256(content).hexdigest()[:_VERSION_LETTERS]
    return Asset(_MEDIA_TYPES[path.suffix], content, gzip.compress(content, mtime=0), version)


def url(name: str) -> str:
    """The address of a file, which is another one when the file changes."""
    found = find(name)
    assert found is not None, name  # noqa: S101  templates name existing files
    return url_for("dashboard_files.static_file", name=name, v=found.version)
