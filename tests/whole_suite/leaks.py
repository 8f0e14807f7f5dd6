"""What a log line must never hold: names, numbers, addresses, codes and tokens."""

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
    r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"  # ids of tasks
    r"|(?i:\bpid[=: ]+)\d+|^\[\d+\]|\[\d{4,7}\]"  # of processes, as gunicorn and Celery put them
)
_WORD = re.compile(r"\w+")
_SHORTEST = 4
_ANYTHING = re.compile(r"[a-z]+|\d{1,9}")


@dataclass(frozen=True, slots=True)
class Leak:
    """What a line holds."""

    kind: str
    held: str
    line: str

    def __str__(self) -> str:
        return f"{self.kind} {self.held!r} in: {self.line}"


def leaks(lines: Iterable[str], people: Iterable[str]) -> Iterator[Leak]:
    """Each thing that must not be there; `people` are the names, numbers and addresses to look for."""
    by_first_word: dict[str, list[str]] = {}
    for person in filter(is_telling, people):
        by_first_word.setdefault(_WORD.findall(person)[0], []).append(person)
    for line in lines:
        rest = _NO_LEAK.sub("", line)
        for match in _LEAK.finditer(rest):
            yield Leak(str(match.lastgroup).replace("_", " "), match.group(), line)
        for word in by_first_word.keys() & _WORD.findall(rest):
            yield from (Leak("person", one, line) for one in by_first_word[word] if _stands_in(one, rest))


def is_telling(person: str) -> bool:
    """Whether it can be known again in a line: made-up requests leave people who are called "0" or "info"."""
    return len(person) >= _SHORTEST and bool(_WORD.search(person)) and not _ANYTHING.fullmatch(person)


def _stands_in(person: str, line: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(person)}(?!\w)", line) is not None
