"""The interface of the malware scanner; `infra.clamav` implements it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


class ScannerUnavailable(Exception):
    """The scanner gave no verdict, for any reason; the file must not count as clean."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`signature` names the malware that was found; None means that the file is clean."""

    signature: str | None = None


class Scanner(Protocol):
    def scan(self, content: Iterable[bytes]) -> Verdict:
        """Scan the whole content, such as an open file or `Storage.open(key)`; raises ScannerUnavailable."""
