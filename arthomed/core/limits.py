"""How often something may be done in a time, counted for all processes together; infra/budgets.py keeps count."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from arthomed.core.errors import ClinicError


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` uses of `key` in a window, which begins with the first."""

    key: str
    most: int
    window: timedelta


class Budgets(Protocol):
    def spend(self, limits: Sequence[Limit]) -> None:
        """Count one use of each, or of none when one is used up.

        Raises:
            RateLimitExceeded: with the time after which that one is free again.
            ServiceUnavailable: nobody counts; whether this use was counted is not known.
        """

    def give_back(self, limits: Sequence[Limit]) -> None:
        """Take one use of each back, as far as that can be done."""


_budgets: Budgets | None = None


def use(budgets: Budgets) -> None:
    global _budgets  # noqa: PLW0603  one a process, set where the parts are put together
    _budgets = budgets


@contextmanager
def spending(*limits: Limit) -> Iterator[None]:
    """Spend one use of each limit; see Budgets.spend.

    They are given back when the work within was refused. Whatever else goes wrong, it may have been done.
    """
    if _budgets is None:
        message = "no budgets are installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    _budgets.spend(limits)
    try:
        yield
    except ClinicError:
        _budgets.give_back(limits)
        raise
