"""Quotas: how often something may be done in a period, counted for all processes; `infra/quota.py` counts in Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from arthomed.core.installed import Installed


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` uses of `key` in a window that begins with the first use."""

    key: str
    limit: int
    window: timedelta
    is_of_address: bool = False


class QuotaCounter(Protocol):
    def take(self, quotas: Sequence[Quota], *, use: str | None = None) -> list[int]:
        """Count one use against all quotas, or against none of them when one is exhausted.

        A repeated `use`, which is an id, is counted once in the window of the first quota.

        Returns how often each quota is used now.

        Raises:
            RateLimitExceeded, AddressLimitExceeded: with the time after which the exhausted quota is free again.
            ServiceUnavailable: Redis does not answer; whether the use was counted is unknown.
        """

    def give_back(self, quotas: Sequence[Quota]) -> None:
        """Take one use of each quota back, if Redis answers."""


_counter = Installed[QuotaCounter]("quota counter")
use, counter = _counter.install, _counter.get
