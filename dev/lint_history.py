"""Checks the git history and uncommitted changes for secrets; skips visibly without a repository."""

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
    "user:password@": "a placeholder, in .env.example and in a docstring",
    "clinic:p%40ss%20word@": "for the mail server of the tests",
    "clinic:wrong@": "a wrong password for the mail server of the tests",
    "clinic:hunter2@": "for a database that does not exist, in tests of the settings",
    "AC00000000000000000000000000000000": "no account, in the check of the installation",
    ":pw@": "for servers that do not exist, in tests of the settings",
    ":p%2Fss": "for servers that do not exist, in tests of the settings",
    ":p%40ss@": "for a database that does not exist, in tests of the settings",
    ":hunter2@": "for a Redis of the tests, which needs no password",
    "QkQ0Zb2m1tWk7uYx9sVh3nLc5pRf8jDg": "a test value for starting in production",
    "Hn6vTz1cXq4sLw8yKb2mJf7dRg9pUe3a": "a test value for starting in production",
    "Wd5xPq8nBv3kTm6zYh1rGc9sLf4jUe7o": "a test value for starting in production",
}
"""Texts that look like a secret, and the reason why they are not one."""

_PATCH = ["--unified=0", "--text", "--no-color", "--no-renames", "--no-ext-diff", "--no-textconv"]
_COMMIT = "\x01"
_SHOWN_CHARACTERS = 4


class NoHistory(Exception):
    """There is no git history to check."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The location of a secret; `commit` is empty for uncommitted changes."""

    kind: str
    text: str
    commit: str
    path: str

    def __str__(self) -> str:
        where = f"{self.path or 'the message'} of {self.commit[:12]}" if self.commit else f"{self.path}, not committed"
        return f"{self.kind} {self.text[:_SHOWN_CHARACTERS]}... in {where}"


def find_secrets(root: Path) -> list[Finding]:
    """Search every commit of all branches and tags, merges included, and uncommitted changes. Raises NoHistory."""
    if not (root / ".git").exists():
        raise NoHistory("this is not a git repository")
    if not _lines(root, "rev-parse", "--revs-only", "HEAD"):
        raise NoHistory("nothing is committed yet")
    history = _lines(root, "log", "-p", "--all", "HEAD", "--diff-merges=separate", f"--format={_COMMIT}%H%n%B", *_PATCH)
    uncommitted = _lines(root, "diff", "HEAD", *_PATCH)
    return list(dict.fromkeys([*_find(history), *_find(uncommitted)]))


def is_shallow(root: Path) -> bool:
    """Whether the clone lacks older commits."""
    return _lines(root, "rev-parse", "--is-shallow-repository") == ["true"]


def _find(lines: Iterable[str]) -> Iterator[Finding]:
    commit = path = ""
    for line in lines:
        if line.startswith(_COMMIT):
            commit, path = line[1:], ""
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        if line.startswith("+") or not path:
            yield from (Finding(kind, text, commit, path) for kind, text in secrets_in_line(line))


def secrets_in_line(line: str) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each secret in a line, except allowed ones."""
    for match in _ANY_SECRET.finditer(line):
        if not any(allowed in match.group() for allowed in _ALLOWED):
            yield str(match.lastgroup), match.group()


def _lines(root: Path, *arguments: str) -> list[str]:
    try:
        output = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise NoHistory("git is not installed") from error
    return output.decode(errors="replace").split("\n")[:-1]


def main() -> int:
    """Check the history of this project; returns the exit code."""
    try:
        found, shallow = find_secrets(ROOT), is_shallow(ROOT)
    except NoHistory as reason:
        print(f"secrets in the history: SKIPPED, {reason}")
        return 0
    except subprocess.CalledProcessError as error:
        print(f"secrets in the history: git failed: {error.stderr.decode(errors='replace')}", file=sys.stderr)
        return 1
    if found:
        print("secrets in the history: FAILED", *found, sep="\n", file=sys.stderr)
        return 1
    print(f"secrets in the history: none{', in the commits of this shallow clone' if shallow else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
