"""Checks the pinned packages for known vulnerabilities; skips visibly when the advisory service is unreachable."""

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
# The output of pip-audit 2.10 without the service: an exception of requests, mostly as a traceback, or its own message.
_UNREACHABLE = re.compile(
    r"requests\.exceptions\.(?:\w*ConnectionError|\w*Timeout|ProxyError|SSLError|ChunkedEncodingError): .*"
    r"|requests\.exceptions\.HTTPError: (?:429|5\d\d) .*"
    r"|Could not connect to OSV's vulnerability feed"
)
_CAUSE_LENGTH = 100


class ServiceUnreachable(Exception):
    """The advisory service can't be reached."""


class AuditFailed(Exception):
    """A package is vulnerable or could not be audited."""


def audit(requirements: Sequence[Path], *, service: str = _ADVISORIES, seconds: float = _TOTAL_SECONDS) -> int:
    """Audit all packages; returns their number. Raises AuditFailed or ServiceUnreachable."""
    files = [argument for file in requirements for argument in ("--requirement", str(file))]
    source = ["--vulnerability-service", "osv", "--osv-url", service, "--timeout", str(_SOCKET_SECONDS)]
    options = ["--disable-pip", "--require-hashes", "--strict", "--format", "json", "--progress-spinner", "off"]
    try:
        completed = subprocess.run(
            [sys.executable, "-m", "pip_audit", *files, *source, *options],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceUnreachable(f"pip-audit did not end within {seconds:g} s") from error
    return _evaluate(completed)


def _evaluate(completed: subprocess.CompletedProcess[str]) -> int:
    """Count the packages of the report. Without a report, only an unreachable service is not a failure."""
    try:
        packages: list[dict[str, Any]] = json.loads(completed.stdout)["dependencies"]
    except (ValueError, KeyError):
        cause = _UNREACHABLE.search(completed.stderr)
        if cause:
            raise ServiceUnreachable(_short(cause.group())) from None
        raise AuditFailed(completed.stderr or completed.stdout or f"exit code {completed.returncode}") from None
    found = [line for package in packages for line in _advisories(package)]
    if found:
        raise AuditFailed("\n".join(found))
    if completed.returncode or not packages:
        raise AuditFailed(f"{len(packages)} packages, exit code {completed.returncode}\n{completed.stderr}")
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
    """Return the innermost cause of a nested message of urllib3."""
    return cause.removeprefix("requests.exceptions.").rpartition("): ")[2].rstrip("'\")")[:_CAUSE_LENGTH]


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the files of the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="+", type=Path)
    parser.add_argument("--service", default=_ADVISORIES, help="the URL of an OSV service, for example of a mirror")
    options = parser.parse_args(arguments)
    try:
        count = audit(options.requirements, service=options.service)
    except ServiceUnreachable as cause:
        print(f"pip-audit: SKIPPED, the advisory service can't be reached: {cause}")
        return 0
    except AuditFailed as failure:
        print(f"pip-audit: FAILED\n{failure}", file=sys.stderr)
        return 1
    print(f"pip-audit: {count} packages, no known vulnerability")
    return 0


if __name__ == "__main__":
    sys.exit(main())
