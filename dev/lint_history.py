"""Whether the git history, or what is about to join it, holds a secret; passes with a visible line without one."""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_SECRETS = {
    "private_key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "twilio_sid": r"\b(?:AC|SK)[0-9a-f]{32}\b",
    "twilio_token": r"(?i:auth_?token)\W{1,6}[0-9a-f]{32}\b",
    "aws_key_id": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "aws_secret": r"(?i:secret_?access_?key)\W{1,6}[A-Za-z0-9/+]{40}\b",
    "url_with_password": r"://[^\s/:@\"'`<>{}]{0,80}:[^\s/:@\"'`<>{}]{1,200}@[\w\[]",
    "jwt": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "github_token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,})",
    "slack_token": r"\bxox[abeoprs]-[\w-]{10,}",
    "google_key": r"\bAIza[\w-]{35}",
    "sendgrid_key": r"\bSG\.[\w-]{20,}\.[\w-]{20,}",
    "stripe_key": r"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "package_index_token": r"\bpypi-[\w-]{50,}",
    "assigned_secret": r"(?i:secret|password|passwd|token|api_?key)\w{0,30}[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
    r"(?=[A-Za-z0-9+/_-]{0,60}[0-9])(?=[A-Za-z0-9+/_-]{0,60}[A-Za-z])[A-Za-z0-9+/_-]{24,}={0,2}(?:[\"'\s]|$)",
}
_ANY_SECRET = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _SECRETS.items()))
_ALLOWED = {
    "user:password@": "the shape of an address, in .env.example and in a docstring",
    "clinic:p%40ss%20word@": "of the tests' own mail server",
    "clinic:wrong@": "refused by the tests' own mail server",
    "clinic:hunter2@": "of a database that is nowhere, in tests of the settings",
    "QkQ0Zb2m1tWk7uYx9sVh3nLc5pRf8jDg": "made up for tests of starting in production",
    "Hn6vTz1cXq4sLw8yKb2mJf7dRg9pUe3a": "made up for tests of starting in production",
    "Wd5xPq8nBv3kTm6zYh1rGc9sLf4jUe7o": "made up for tests of starting in production",
}
"""What looks like a secret, and why it is none."""

_PATCH = ["--unified=0", "--text", "--no-color", "--no-renames", "--no-ext-diff", "--no-textconv"]
_COMMIT = "\x01"
_SHOWN = 4


class NoHistory(Exception):
    """There is nothing to read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a secret is; `commit` is empty for what is not committed yet."""

    kind: str
    text: str
    commit: str
    path: str

    def __str__(self) -> str:
        where = f"{self.path or 'the message'} of {self.commit[:12]}" if self.commit else f"{self.path}, not committed"
        return f"{self.kind} {self.text[:_SHOWN]}... in {where}"


def secrets_in(root: Path) -> list[Finding]:
    """All of them, in every commit that a branch or a tag leads to, merges included. Raises NoHistory."""
    if not (root / ".git").exists():
        raise NoHistory("this is no git repository")
    if not _lines(root, "rev-parse", "--revs-only", "HEAD"):
        raise NoHistory("nothing is committed yet")
    history = _lines(root, "log", "-p", "--all", "HEAD", "--diff-merges=separate", f"--format={_COMMIT}%H%n%B", *_PATCH)
    coming = _lines(root, "diff", "HEAD", *_PATCH)
    return list(dict.fromkeys([*_find(history), *_find(coming)]))


def is_shallow(root: Path) -> bool:
    """Whether older commits were left where the clone came from."""
    return _lines(root, "rev-parse", "--is-shallow-repository") == ["true"]


def _find(lines: Iterable[str]) -> Iterator[Finding]:
    commit = path = ""
    for line in lines:
        if line.startswith(_COMMIT):
            commit, path = line[1:], ""
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        if line.startswith("+") or not path:
            yield from (Finding(kind, text, commit, path) for kind, text in secrets_of(line))


def secrets_of(line: str) -> Iterator[tuple[str, str]]:
    """Tell the kind and the text of each secret in a line that is not allowed."""
    for match in _ANY_SECRET.finditer(line):
        if not any(allowed in match.group() for allowed in _ALLOWED):
            yield str(match.lastgroup), match.group()


def _lines(root: Path, *arguments: str) -> list[str]:
    try:
        told = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise NoHistory("git is not installed") from error
    return told.decode(errors="replace").split("\n")[:-1]


def main() -> int:
    """Read this project's history; returns the exit code."""
    try:
        found, shallow = secrets_in(ROOT), is_shallow(ROOT)
    except NoHistory as reason:
        print(f"secrets in the history: SKIPPED, {reason}")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"secrets in the history: git failed: {error.stderr.decode(errors='replace')}", file=sys.stderr)
        return 1
    if found:
        print("secrets in the history: FAILED", *found, sep="\n", file=sys.stderr)
        return 1
    print(f"secrets in the history: none{', as far as this shallow clone goes' if shallow else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
