"""The cache tags of slots (core/cache.py)."""

import datetime as dt

from bson import ObjectId


def schedule_tag(doctor: ObjectId) -> str:
    """The tag of all slots of a doctor."""
    return f"slots:{doctor}"


def day_tag(doctor: ObjectId, day: dt.date) -> str:
    """The tag of a doctor's slots of one day: bookings of other days do not invalidate it."""
    return f"slots:{doctor}:{day:%Y-%m-%d}"
