"""How often something may be done in a time, counted for all processes together; infra/budgets.py keeps count."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from arthomed.core.errors import RateLimitExceeded


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` uses of `key` in a window, which begins with the first."""

    key: str
    most: int
    window: timedelta


class Budgets(Protocol):
    def spend(self, uses: Sequence[Sequence[Limit]]) -> list[RateLimitExceeded | None]:
        """Count uses one after the other, each against all of its limits, or none when one of them is used up.

        Returns the refusal of each that is not counted, with the time after which that limit is free again.

        Raises:
            ServiceUnavailable: nobody counts; which uses were counted is not known.
        """

    def give_back(self, limits: Sequence[Limit]) -> None:
        """Take one use of each back, as far as that can be done."""


_budgets: Budgets | None = None


def use(budgets: Budgets) -> None:
    global _budgets  # noqa: PLW0603  one a process, set where the parts are put together
    _budgets = budgets


def budgets() -> Budgets:
    if _budgets is None:
        message = "no budgets are installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    return _budgets
