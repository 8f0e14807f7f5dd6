"""Finds personal data and secrets in log lines: names, mobile numbers, addresses, codes and tokens."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_PATTERNS = {
    "mobile number": r"(?<![\w.])(?:\+?91)?[6-9]\d{9}(?!\w)",
    "code": r"(?<![\w.-])\d{6}(?![\w-]|\.\d)",
    "token": r"\beyJ[\w-]{5,}(?:\.[\w-]+)*",
    "authorization": r"(?i:\bbearer\s+)[^\s\"']+",
}
_LEAK = re.compile("|".join(f"(?P<{kind.replace(' ', '_')}>{pattern})" for kind, pattern in _PATTERNS.items()))
_NO_LEAK = re.compile(
    r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"  # task ids
    r"|(?i:\bpid[=: ]+)\d+|^\[\d+\]|\[\d{4,7}\]"  # process ids in lines of gunicorn and Celery
)
_WORD = re.compile(r"\w+")
_MIN_LENGTH = 4
_TOO_COMMON = re.compile(r"[a-z]+|\d{1,9}")


@dataclass(frozen=True, slots=True)
class Leak:
    """Personal data or a secret in a log line."""

    kind: str
    value: str
    line: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value!r} in: {self.line}"


def leaks(lines: Iterable[str], people: Iterable[str]) -> Iterator[Leak]:
    """Find all leaks; `people` are the names, numbers and addresses to look for."""
    by_first_word: dict[str, list[str]] = {}
    for person in filter(is_searchable, people):
        by_first_word.setdefault(_WORD.findall(person)[0], []).append(person)
    for line in lines:
        rest = _NO_LEAK.sub("", line)
        for match in _LEAK.finditer(rest):
            yield Leak(str(match.lastgroup).replace("_", " "), match.group(), line)
        for word in by_first_word.keys() & _WORD.findall(rest):
            yield from (Leak("person", one, line) for one in by_first_word[word] if _is_in(one, rest))


def is_searchable(person: str) -> bool:
    """Whether a value identifies a person: generated requests create users with names such as "0" or "info"."""
    return len(person) >= _MIN_LENGTH and bool(_WORD.search(person)) and not _TOO_COMMON.fullmatch(person)


def _is_in(person: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(person)}(?!\w)", line) is not None
