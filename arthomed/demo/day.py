"""The course of a demo day: what happens, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count

import structlog

from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import ClinicError
from arthomed.demo.clinic import RECEPTIONIST
from arthomed.users import service as users

log = structlog.get_logger()


class Day:
    """Today until now. Its events happen in the order of their times, when `play` is called."""

    def __init__(self, now: datetime) -> None:
        zone = settings().policy.timezone
        self.now = now
        self.date = clock.local_date(now, zone)
        self.midnight = clock.wall_clock(self.date, "00:00", zone)
        self.evening_before = self.midnight - timedelta(hours=6)
        self.receptionist = actor_of(RECEPTIONIST)
        self.numbers = count()
        self._events: list[tuple[datetime, Callable[[], object]]] = []

    def then(self, at: datetime, event: Callable[[], object]) -> None:
        """Let something happen, now at the latest."""
        self._events.append((min(at, self.now), event))

    def play(self) -> None:
        """Let everything happen. What the rules refuse is left out: people may have changed the data before."""
        for at, event in sorted(self._events, key=lambda one: one[0]):
            with clock.at(at):
                try:
                    event()
                except ClinicError as refusal:
                    log.warning("demo_step_refused", code=str(refusal.code), at=clock.iso(at))


def actor_of(mobile: str) -> Actor:
    """The user of a number of the demo clinic."""
    user = users.find_by_mobile(mobile)
    assert user is not None, mobile  # noqa: S101  the demo clinic is complete
    return Actor(user.id, user.role)
