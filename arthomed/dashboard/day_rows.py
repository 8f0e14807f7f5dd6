"""What the rows of the day say, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from bson import ObjectId
from flask import render_template
from flask_babel import gettext
from markupsafe import Markup

from arthomed.appointments.service import rescheduling
from arthomed.appointments.stages import Stage
from arthomed.config import settings
from arthomed.core import clock
from arthomed.dashboard import people
from arthomed.dashboard.i18n import language
from arthomed.frontdesk.service.day import Item
from arthomed.frontdesk.service.steps import Action
from arthomed.http.auth import current_actor

_MINUTE = timedelta(minutes=1)
_MAX_KEPT = 2000  # of about 3 KB each


@dataclass(frozen=True, slots=True)
class Rows:
    """Draws the rows of a list for its reader, each again only when something in it has changed."""

    possible: Mapping[ObjectId, Sequence[Action]]
    now: datetime

    def draw(self, item: Item, *, shows_doctor: bool) -> Markup:
        reader = language(), current_actor().role, clock.today(settings().policy.timezone)
        actions, waits = tuple(self.possible[item.row.id]), tuple(waits_of(item, self.now))
        is_movable = rescheduling.is_movable(current_actor(), item.row.appointment, self.now)
        return drawn(
            item, actions=actions, waits=waits, shows_doctor=shows_doctor, is_movable=is_movable, reader=reader
        )


@lru_cache(_MAX_KEPT)
def drawn(
    item: Item,
    *,
    actions: tuple[Action, ...],
    waits: tuple[str, ...],
    shows_doctor: bool,
    is_movable: bool,
    reader: object,  # noqa: ARG001  part of the key
) -> Markup:
    """The row for readers of a language and a role on a day, to which ages belong."""
    look = {"waits": waits, "shows_doctor": shows_doctor, "is_movable": is_movable}
    context = {"item": item, "possible": {item.row.id: actions}, **look}
    return Markup(render_template("dashboard/_kept_row.html", **context))  # noqa: S704  a template escapes


def facts_of(item: Item) -> list[str]:
    """What is known of the person, and whether the person is new."""
    known = people.facts_of_patient(item.row.appointment)
    return [*known, gettext("new patient")] if item.row.is_first_appointment else known


def waits_of(item: Item, now: datetime) -> list[str]:
    """How long the patient has waited, and may still wait."""
    place, lines = item.in_queue, []
    if place.stage in (Stage.WAITING, Stage.SKIPPED, Stage.CALLED) and place.arrived_at is not None:
        waited = max((now - place.arrived_at.replace(second=0, microsecond=0)) // _MINUTE, 0)
        lines.append(gettext("waits %(minutes)s min", minutes=waited))
    if place.expected_wait is not None:
        wait = place.expected_wait
        lines.append(gettext("about %(first)s to %(last)s min more", first=wait.from_minutes, last=wait.to_minutes))
    return lines
