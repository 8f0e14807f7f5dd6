"""The arrival of a patient, at the desk or with a walk-in's booking."""

import datetime as dt
from datetime import datetime

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.queue import Queue
from arthomed.core.counters import Counter

STEP = "arrive"
TOKENS = "tokens:"


def arrive(doctor: ObjectId, date: dt.date, now: datetime, session: ClientSession, *, count: int = 1) -> list[Queue]:
    """Places in the queue with the next tokens of the doctor's day, within the transaction that stores them.

    Two arrivals of one doctor and day conflict, so there are no gaps: take the tokens late.
    """
    first = Counter.next(tokens_counter(doctor, date), session, count=count)
    return [Queue(token=first + nth).after(STEP, now, arrived_at=now) for nth in range(count)]


def tokens_counter(doctor: ObjectId, date: dt.date) -> str:
    """The name of the counter of a doctor's tokens of a day."""
    return f"{TOKENS}{doctor}:{date:%Y-%m-%d}"
