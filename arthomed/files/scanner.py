"""The question whether a file is harmful; infra asks ClamAV."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class ScannerUnavailable(Exception):
    """The scanner gave no verdict, for whatever reason; the file must not count as clean."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`signature` names what was found."""

    signature: str | None = None

    @property
    def is_clean(self) -> bool:
        return self.signature is None


class Scanner(Protocol):
    def scan(self, content: Iterable[bytes]) -> Verdict:
        """Have all of a file looked at, such as an open file or Storage.open; raises ScannerUnavailable."""
