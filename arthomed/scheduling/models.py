"""Slots, and how their seats are claimed and freed."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from bson import ObjectId
from mongoengine import BooleanField, DateTimeField, IntField, ListField, ObjectIdField, StringField
from pymongo import UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from arthomed.core import clock
from arthomed.core.cache import invalidate
from arthomed.core.documents import ClinicDocument, Pipeline, Raw
from arthomed.scheduling.rules import Change, ExistingSlot, PlannedSlot, Shapes, capacity, length, smallest_free_seat

# How the derived fields follow from `takenSeats`; every change of a slot ends with these two stages.
_DERIVED: Pipeline = [
    {"$set": {"bookedPatients": {"$size": "$takenSeats"}}},
    {
        "$set": {
            "isAvailable": {"$and": [{"$not": "$isBlocked"}, {"$lt": ["$bookedPatients", "$maxPatients"]}]},
            "updatedAt": "$$NOW",
        }
    },
]

_OF_EXISTING = (
    "date",
    "startTime",
    "endTime",
    "startsAt",
    "maxPatients",
    "consultationFee",
    "isBlocked",
    "bookedPatients",
)
_OF_SHAPE = ("startTime", "endTime", "maxPatients", "consultationFee", "isBlocked")
_AT_ONCE = 10_000
_LONGEST = timedelta(days=1)  # no slot goes on beyond its day

Start = tuple[ObjectId, dt.date, str]
"""What tells a slot: doctor, the clinic's date, "HH:MM"."""


def _coming(after: datetime) -> Raw:
    """What starts later; by the date as well, which `slot_once` has and which is at most a day before that of UTC."""
    return {"date": {"$gt": after - 2 * _LONGEST}, "startsAt": {"$gt": after}}


def schedule_tag(doctor: ObjectId) -> str:
    """The cache tag (core/cache.py) of all slots of a doctor."""
    return f"slots:{doctor}"


def day_tag(doctor: ObjectId, day: dt.date) -> str:
    """The cache tag of a doctor's slots of one day: bookings of other days do not invalidate it."""
    return f"slots:{doctor}:{day:%Y-%m-%d}"


@dataclass(frozen=True, slots=True)
class Seat:
    """The smallest free seat of a slot, and what a visit takes from that; `taken` are the seats that are not free."""

    slot: ObjectId
    number: int
    taken: list[int]
    doctor: ObjectId
    date: datetime
    start_time: str
    starts_at: datetime
    ends_at: datetime
    fee: int

    @classmethod
    def in_slot(cls, raw: Raw) -> Self:
        return cls(
            slot=raw["_id"],
            number=smallest_free_seat(raw["takenSeats"], raw["maxPatients"]),
            taken=raw["takenSeats"],
            doctor=raw["doctor"],
            date=raw["date"],
            start_time=raw["startTime"],
            starts_at=raw["startsAt"],
            ends_at=raw["startsAt"] + length(raw["startTime"], raw["endTime"]),
            fee=raw["consultationFee"],
        )


class Slot(ClinicDocument):
    """Half an hour of a doctor; `starts_at` is the instant, `date` midnight UTC of the calendar date.

    `taken_seats` holds the seats (1 to `max_patients`) of its active visits, the last claimed last.
    """

    meta = {"collection": "slots"}

    doctor = ObjectIdField(required=True)
    date = DateTimeField(required=True)
    start_time = StringField(db_field="startTime", required=True)
    end_time = StringField(db_field="endTime", required=True)
    starts_at = DateTimeField(db_field="startsAt", required=True)
    is_available = BooleanField(db_field="isAvailable", default=True)
    is_blocked = BooleanField(db_field="isBlocked", default=False)
    max_patients = IntField(db_field="maxPatients", default=1)
    booked_patients = IntField(db_field="bookedPatients", default=0)
    taken_seats = ListField(IntField(), db_field="takenSeats")
    consultation_fee = IntField(db_field="consultationFee", default=0)

    @property
    def ends_at(self) -> datetime:
        ends_at: datetime = self.starts_at + length(self.start_time, self.end_time)
        return ends_at

    @classmethod
    def free_seats(cls, starts: Iterable[Start], *, now: datetime, session: ClientSession) -> dict[Start, Seat]:
        """A seat in each of these slots that has a free one and has not started."""
        wanted = [
            {"doctor": doctor, "date": clock.midnight_utc(day), "startTime": time, "isAvailable": True}
            for doctor, day, time in starts
        ]
        found = cls.collection().find({"$or": wanted}, session=session)
        return {
            (raw["doctor"], raw["date"].date(), raw["startTime"]): Seat.in_slot(raw)
            for raw in found
            if raw["startsAt"] > now and len(raw["takenSeats"]) < raw["maxPatients"]
        }

    @classmethod
    def reclaim(cls, slot_id: ObjectId, *, session: ClientSession) -> Seat | None:
        """Take a seat again for a visit that is taken up again, whether or not the slot has started."""
        roomy = {"$expr": {"$lt": ["$bookedPatients", "$maxPatients"]}}
        raw = cls.collection().find_one({"_id": slot_id, **roomy}, session=session)
        if raw is None:
            return None
        seat = Seat.in_slot(raw)
        cls.claim([seat], session=session)
        return seat

    @classmethod
    def claim(cls, seats: Iterable[Seat], *, session: ClientSession) -> None:
        """Take seats of different slots, which must have been found in this very transaction.

        Then whoever wrote to one of the slots since is a conflict, and MongoDB undoes this transaction.
        """
        updates = []
        for seat in seats:
            invalidate(day_tag(seat.doctor, seat.date))
            taken = {"$set": {"takenSeats": [*seat.taken, seat.number]}}
            updates.append(UpdateOne({"_id": seat.slot}, [taken, *_DERIVED]))
        cls.collection().bulk_write(updates, session=session)

    @classmethod
    def free(cls, slot_id: ObjectId, seat: int, *, session: ClientSession) -> None:
        """Give a seat back."""
        left = {"$filter": {"input": "$takenSeats", "cond": {"$ne": ["$$this", seat]}}}
        freed = cls.collection().find_one_and_update(
            {"_id": slot_id, "takenSeats": seat},
            [{"$set": {"takenSeats": left}}, *_DERIVED],
            projection={"doctor": 1, "date": 1},
            session=session,
        )
        if freed is not None:
            invalidate(day_tag(freed["doctor"], freed["date"]))

    @classmethod
    def of_day(cls, doctor: ObjectId, day: dt.date) -> "list[Slot]":
        return list(cls.objects(doctor=doctor, date=clock.midnight_utc(day)).order_by("start_time"))

    @classmethod
    def nearest_free(cls, doctor: ObjectId, instant: datetime, *, now: datetime, most: int) -> "list[Slot]":
        """The free slots nearest to an instant, earlier or later, nearest first."""

        def free(bounds: Raw, sign: str) -> "list[Slot]":
            wanted = {"doctor": doctor, "isAvailable": True, "$and": [_coming(now), bounds]}
            found = cls.objects(__raw__=wanted).order_by(f"{sign}date", f"{sign}start_time").limit(most)
            return list(found.hint("slot_once"))

        later = free({"date": {"$gt": instant - 2 * _LONGEST}, "startsAt": {"$gte": instant}}, "")
        earlier = free({"date": {"$lt": instant + _LONGEST}, "startsAt": {"$lt": instant}}, "-")
        return sorted([*later, *earlier], key=lambda slot: abs(slot.starts_at - instant))[:most]

    @classmethod
    def doctors_free_on(cls, day: dt.date, *, now: datetime) -> list[ObjectId]:
        """The ids of doctors with a free slot on a day."""
        free = {"date": clock.midnight_utc(day), "isAvailable": True, "startsAt": {"$gt": now}}
        return list(cls.collection().distinct("doctor", free))

    @classmethod
    def counts_by_day(cls, doctor: ObjectId, first: dt.date, last: dt.date, *, now: datetime) -> list[Raw]:
        """Per day that has slots, in any order: `{_id: date, total, free}`; in one query."""
        days = {"$gte": clock.midnight_utc(first), "$lte": clock.midnight_utc(last)}
        bookable = {"$and": ["$isAvailable", {"$gt": ["$startsAt", now]}]}
        counted = {"_id": "$date", "total": {"$sum": 1}, "free": {"$sum": {"$cond": [bookable, 1, 0]}}}
        return list(cls.collection().aggregate([{"$match": {"doctor": doctor, "date": days}}, {"$group": counted}]))

    @classmethod
    def shapes(cls, doctors: Sequence[ObjectId], *, after: datetime) -> dict[ObjectId, Shapes]:
        """The coming slots of doctors, put together by MongoDB: to see that nothing is to be done, this is enough."""
        alike = {name: f"${name}" for name in ("doctor", *_OF_SHAPE)}
        rows = cls.collection().aggregate(
            [
                {"$match": {"doctor": {"$in": doctors}, **_coming(after)}},
                {"$group": {"_id": alike, "days": {"$push": "$date"}}},
            ]
        )
        found: dict[ObjectId, Shapes] = {}
        for row in rows:
            doctor, *shape = row["_id"].values()
            found.setdefault(doctor, {})[tuple(shape)] = set(row["days"])
        return found

    @classmethod
    def existing(cls, doctor: ObjectId, *, after: datetime, session: ClientSession | None = None) -> list[ExistingSlot]:
        """The stored slots that have not ended."""
        unfinished = {"doctor": doctor, **_coming(after - _LONGEST)}
        stored = [
            ExistingSlot(
                id=raw["_id"],
                date=raw["date"].date(),
                start_time=raw["startTime"],
                end_time=raw["endTime"],
                starts_at=raw["startsAt"],
                max_patients=raw["maxPatients"],
                consultation_fee=raw["consultationFee"],
                is_blocked=raw["isBlocked"],
                bookings=raw["bookedPatients"],
            )
            for raw in cls.collection().find(unfinished, _OF_EXISTING, session=session)
        ]
        return [slot for slot in stored if slot.starts_at > after or slot.ends_at > after]

    @classmethod
    def close_coming(cls, doctor: ObjectId, *, session: ClientSession) -> None:
        """Take no more bookings, and write to each slot, so that a booking under way comes before or not at all."""
        now = clock.now()
        invalidate(schedule_tag(doctor))
        cls._close({"doctor": doctor, **_coming(now)}, now, session)

    @classmethod
    def _close(cls, which: Raw, now: datetime, session: ClientSession) -> None:
        closed = {"isBlocked": True, "isAvailable": False, "updatedAt": now}
        cls.collection().update_many(which, {"$set": closed}, session=session)

    @classmethod
    def apply(cls, change: Change, doctor: ObjectId, *, fee: int, session: ClientSession) -> None:
        """Carry out a change of a doctor's slots.

        Deleting comes last where it can: inserting into what the same transaction deleted gets slower with
        each deleted slot (a week shifted by 15 minutes: seconds instead of a quarter of one).
        """
        invalidate(schedule_tag(doctor))
        slots, now = cls.collection(), clock.now()
        made_at = {(slot.date, slot.start_time) for slot in change.made} if change.removed else set()
        in_the_way = [slot.id for slot in change.removed if (slot.date, slot.start_time) in made_at]
        if in_the_way:
            slots.delete_many({"_id": {"$in": in_the_way}}, session=session)
        if change.conflicts:
            cls._close({"_id": {"$in": [slot.id for slot in change.conflicts]}}, now, session)
        if change.altered:
            slots.bulk_write(_alterations(change, fee), session=session)
        cls._insert([_raw(slot, doctor, fee, now) for slot in change.made], session)
        if len(in_the_way) < len(change.removed):
            slots.delete_many({"_id": {"$in": [slot.id for slot in change.removed]}}, session=session)

    @classmethod
    def _insert(cls, rows: list[Raw], session: ClientSession) -> None:
        """As insert_many, but the ids are MongoDB's, and so is the checking: a quarter of the work."""
        slots = cls.collection()
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            answer = slots.database.command("insert", slots.name, documents=some, session=session)
            if "writeErrors" in answer:
                raise BulkWriteError(answer)


def _alterations(change: Change, fee: int) -> list[UpdateMany]:
    """One update for all the slots that are to take the same number of patients."""
    ids: dict[int, list[object]] = {}
    for slot, asked in change.altered:
        ids.setdefault(capacity(slot, asked), []).append(slot.id)
    return [
        UpdateMany(
            {"_id": {"$in": of_capacity}},
            [{"$set": {"isBlocked": False, "maxPatients": patients, "consultationFee": fee}}, *_DERIVED],
        )
        for patients, of_capacity in ids.items()
    ]


def _raw(slot: PlannedSlot, doctor: ObjectId, fee: int, now: datetime) -> Raw:
    return {
        "doctor": doctor,
        "date": clock.midnight_utc(slot.date),
        "startTime": slot.start_time,
        "endTime": slot.end_time,
        "startsAt": slot.starts_at,
        "isAvailable": True,
        "isBlocked": False,
        "maxPatients": slot.max_patients,
        "bookedPatients": 0,
        "takenSeats": [],
        "consultationFee": fee,
        "createdAt": now,
        "updatedAt": now,
    }
