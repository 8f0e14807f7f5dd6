"""Whether a pinned package has a known vulnerability; passes with a visible line when nobody can be asked."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SOCKET_SECONDS = 10
_TOTAL_SECONDS = 180
_ADVISORIES = "https://api.osv.dev/v1/query"
# How pip-audit 2.10 ends without the service: requests' exceptions, mostly as a traceback, or words of its own.
_OUT_OF_REACH = re.compile(
    r"requests\.exceptions\.(?:\w*ConnectionError|\w*Timeout|ProxyError|SSLError|ChunkedEncodingError): .*"
    r"|requests\.exceptions\.HTTPError: (?:429|5\d\d) .*"
    r"|Could not connect to OSV's vulnerability feed"
)
_CAUSE_LENGTH = 100


class OutOfReach(Exception):
    """The advisory service can't be asked."""


class AuditFailed(Exception):
    """A package is vulnerable, or could not be audited."""


def audit(requirements: Sequence[Path], *, service: str = _ADVISORIES, seconds: float = _TOTAL_SECONDS) -> int:
    """Ask for each package; returns how many there are. Raises AuditFailed or OutOfReach."""
    files = [word for file in requirements for word in ("--requirement", str(file))]
    where = ["--vulnerability-service", "osv", "--osv-url", service, "--timeout", str(_SOCKET_SECONDS)]
    how = ["--disable-pip", "--require-hashes", "--strict", "--format", "json", "--progress-spinner", "off"]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pip_audit", *files, *where, *how],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OutOfReach(f"no end within {seconds:g} s") from error
    return _judge(ended)


def _judge(ended: subprocess.CompletedProcess[str]) -> int:
    """Count a report whatever was said beside it; without one, forgive nothing but a service out of reach."""
    try:
        packages: list[dict[str, Any]] = json.loads(ended.stdout)["dependencies"]
    except (ValueError, KeyError):
        cause = _OUT_OF_REACH.search(ended.stderr)
        if cause:
            raise OutOfReach(_short(cause.group())) from None
        raise AuditFailed(ended.stderr or ended.stdout or f"exit code {ended.returncode}") from None
    found = [line for package in packages for line in _advisories(package)]
    if found:
        raise AuditFailed("\n".join(found))
    if ended.returncode or not packages:
        raise AuditFailed(f"{len(packages)} packages, exit code {ended.returncode}\n{ended.stderr}")
    return len(packages)


def _advisories(package: dict[str, Any]) -> list[str]:
    if "skip_reason" in package:
        return [f"{package['name']}: {package['skip_reason']}"]
    name = f"{package['name']} {package['version']}"
    return [
        f"{name}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version'}: {one['description']}"
        for one in package["vulns"]
    ]


def _short(cause: str) -> str:
    """Give the innermost reason in a message of urllib3, which nests them."""
    return cause.removeprefix("requests.exceptions.").rpartition("): ")[2].rstrip("'\")")[:_CAUSE_LENGTH]


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the files of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="+", type=Path)
    parser.add_argument("--service", default=_ADVISORIES, help="an OSV service, as a mirror of one's own")
    given = parser.parse_args(arguments)
    try:
        count = audit(given.requirements, service=given.service)
    except OutOfReach as cause:
        print(f"pip-audit: SKIPPED, the advisory service can't be reached: {cause}")
        return 0
    except AuditFailed as failure:
        print(f"pip-audit: FAILED\n{failure}", file=sys.stderr)
        return 1
    print(f"pip-audit: {count} packages, no known vulnerability")
    return 0


if __name__ == "__main__":
    sys.exit(main())
