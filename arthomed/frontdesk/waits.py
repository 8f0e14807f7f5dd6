"""The expected waits of those who wait for a doctor, as ranges; pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from arthomed.appointments.rules import START_FROM
from arthomed.appointments.stages import QueuedView, Stage, Wait
from arthomed.frontdesk.rules import Entry, due

MIN_FINISHED = 3
"""After so many finished consultations their length is used, before that the length of a slot."""
_SHORTER, _LONGER = 0.75, 1.25
_STEP_MINUTES = 5
_MINUTE = timedelta(minutes=1)
_NOTHING = timedelta(0)


def expected_waits(line: Sequence[Entry[QueuedView]], now: datetime, *, slot: timedelta) -> dict[ObjectId, Wait]:
    """The expected wait of each waiting or skipped patient of a doctor."""
    usual = _usual_length([entry.appointment for entry in line], slot)
    shortest, longest = _until_free(line, usual, now)
    waits = {}
    for entry in line:
        appointment = entry.appointment
        if entry.stage in (Stage.WAITING, Stage.SKIPPED):
            may_start = appointment.starts_at if not appointment.is_overflow else now
            low = max(shortest, may_start - START_FROM - now)
            high = max(longest, due(appointment) - now, low)
            waits[appointment.id] = _range(low, high)
            shortest, longest = shortest + usual * _SHORTER, longest + usual * _LONGER
    return waits


def _usual_length(day: Iterable[QueuedView], slot: timedelta) -> timedelta:
    """The median length of today's finished consultations."""
    lengths = sorted(one.completed_at - one.started_at for one in day if one.started_at and one.completed_at)
    return lengths[len(lengths) // 2] if len(lengths) >= MIN_FINISHED else slot


def _until_free(line: Iterable[Entry[QueuedView]], usual: timedelta, now: datetime) -> tuple[timedelta, timedelta]:
    """How long the doctor is busy with those in progress and called."""
    low = high = _NOTHING
    for entry in line:
        if entry.stage is Stage.CALLED:
            low, high = low + usual * _SHORTER, high + usual * _LONGER
        elif entry.stage is Stage.IN_PROGRESS and entry.appointment.started_at:
            spent = now - entry.appointment.started_at
            low, high = low + max(usual * _SHORTER - spent, _NOTHING), high + max(usual * _LONGER - spent, _NOTHING)
    return low, high


def _range(low: timedelta, high: timedelta) -> Wait:
    first = low // (_STEP_MINUTES * _MINUTE) * _STEP_MINUTES
    last = -(-high // (_STEP_MINUTES * _MINUTE)) * _STEP_MINUTES
    return Wait(first, max(last, first + _STEP_MINUTES))
