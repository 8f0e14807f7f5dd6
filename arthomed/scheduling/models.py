"""The `slots` collection: bookable slots and their seats."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from mongoengine import BooleanField, DateTimeField, EnumField, IntField, ListField, ObjectIdField, StringField
from pymongo import ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.cache import invalidate
from arthomed.core.documents import ClinicDocument, Raw
from arthomed.core.permissions import Role
from arthomed.scheduling import bookability, updates
from arthomed.scheduling.bookability import BlockReason, Obstacle, SlotState
from arthomed.scheduling.rules import ExistingSlot, SlotChanges, SlotGroups, length
from arthomed.scheduling.seats import PUBLIC_FIELDS, PublicSlot, Seat, Start
from arthomed.scheduling.tags import day_tag, schedule_tag
from arthomed.scheduling.updates import DERIVED, REMOVED

_GROUP_FIELDS = ("startTime", "endTime", "maxPatients", "consultationFee", "isBlocked")
_EXISTING_FIELDS = (*_GROUP_FIELDS, "date", "startsAt", "bookedPatients", "blockReason", "isExtra")
_INSERT_BATCH_SIZE = 10_000
_MAX_LENGTH = timedelta(days=1)  # a slot ends on the day it starts


def _upcoming(after: datetime) -> Raw:
    """Match slots that start later than `after`; `date`, at most a day behind UTC's, allows the index `slot_once`."""
    return {"date": {"$gt": after - 2 * _MAX_LENGTH}, "startsAt": {"$gt": after}}


class Slot(ClinicDocument):
    """A bookable time of a doctor. `starts_at` is the instant, `date` is midnight UTC of the clinic's calendar date.

    `taken_seats` holds the seats (1 to `max_patients`) of its active appointments, in the order of booking.
    `appointment` is the one that holds the slot, while it is only one. No response shows it. A person blocked a slot
    with a `block_reason`, and added an extra one besides the weekly hours; neither follows changes of the hours.
    """

    meta = {"collection": "slots"}

    doctor = ObjectIdField(required=True)
    date = DateTimeField(required=True)
    start_time = StringField(db_field="startTime", required=True)
    end_time = StringField(db_field="endTime", required=True)
    starts_at = DateTimeField(db_field="startsAt", required=True)
    is_available = BooleanField(db_field="isAvailable", default=True)
    is_blocked = BooleanField(db_field="isBlocked", default=False)
    block_reason = EnumField(BlockReason, db_field="blockReason")
    is_extra = BooleanField(db_field="isExtra")
    max_patients = IntField(db_field="maxPatients", default=1)
    booked_patients = IntField(db_field="bookedPatients", default=0)
    taken_seats = ListField(IntField(), db_field="takenSeats")
    appointment = ObjectIdField()
    consultation_fee = IntField(db_field="consultationFee", default=0)

    @property
    def state(self) -> SlotState:
        return SlotState(self.starts_at, self.is_blocked, self.booked_patients >= self.max_patients)

    @property
    def ends_at(self) -> datetime:
        ends_at: datetime = self.starts_at + length(self.start_time, self.end_time)
        return ends_at

    @classmethod
    def managed_by(cls, actor: Actor) -> Any:
        """The slots that this user may change: a doctor's own, all for the other staff."""
        return cls.objects(doctor=actor.user_id) if actor.role is Role.DOCTOR else cls.objects

    @classmethod
    def free_seats(cls, starts: Iterable[Start], *, now: datetime, session: ClientSession) -> dict[Start, Seat | None]:
        """A free seat in each of these slots that is not blocked and has not started; None where all are taken."""
        wanted = [
            {"doctor": doctor, "date": clock.midnight_utc(day), "startTime": time} for doctor, day, time in starts
        ]
        seats: dict[Start, Seat | None] = {}
        for raw in cls.collection().find({"$or": wanted}, session=session):
            state = SlotState(raw["startsAt"], raw["isBlocked"], len(raw["takenSeats"]) >= raw["maxPatients"])
            obstacles = bookability.slot_obstacles(state, now)
            if obstacles in ([], [Obstacle.FULL]):
                start = raw["doctor"], raw["date"].date(), raw["startTime"]
                seats[start] = None if obstacles else Seat.in_slot(raw)
        return seats

    @classmethod
    def walk_in_seats(
        cls, starts: Iterable[Start], *, now: datetime, session: ClientSession | None
    ) -> dict[Start, Iterator[Seat]]:
        """The seats and overflow places for walk-ins of each of these days, in order; none without open slots."""
        wanted = [{"doctor": doctor, "date": clock.midnight_utc(day), "isBlocked": False} for doctor, day, _ in starts]
        found = cls.collection().find({"$or": wanted}, session=session)
        days: dict[Start, list[Raw]] = {}
        for raw in sorted(found, key=lambda slot: slot["startsAt"]):
            days.setdefault((raw["doctor"], raw["date"].date(), None), []).append(raw)
        return {start: Seat.for_walk_ins(slots, now) for start, slots in days.items()}

    @classmethod
    def reclaim(cls, slot_id: ObjectId, appointment: ObjectId, *, session: ClientSession) -> Seat | None:
        """Claim a seat again for an undone no-show, although the slot may have started; None when all are taken."""
        roomy = {"$expr": {"$lt": ["$bookedPatients", "$maxPatients"]}}
        raw = cls.collection().find_one({"_id": slot_id, **roomy}, session=session)
        if raw is None:
            return None
        seat = Seat.in_slot(raw)
        cls.claim([(seat, appointment)], session=session)
        return seat

    @classmethod
    def claim(cls, claims: Iterable[tuple[Seat, ObjectId]], *, session: ClientSession) -> None:
        """Claim seats of different slots, which were read in the same transaction, for appointments.

        A concurrent write to one of the slots is a write conflict, and MongoDB aborts this transaction.
        """
        operations = []
        for seat, appointment in claims:
            invalidate(day_tag(seat.doctor, seat.date))
            holder = REMOVED if seat.taken else appointment
            taken = {"$set": {"takenSeats": [*seat.taken, seat.number], "appointment": holder}}
            operations.append(UpdateOne({"_id": seat.slot}, [taken, *DERIVED]))
        if operations:
            cls.collection().bulk_write(operations, session=session)

    @classmethod
    def free(cls, slot_id: ObjectId, seat: int, *, session: ClientSession) -> list[int]:
        """Free a seat; returns those that are still taken. When it is one, the caller names its holder (`hold`)."""
        left = {"$filter": {"input": "$takenSeats", "cond": {"$ne": ["$$this", seat]}}}
        freed = cls.collection().find_one_and_update(
            {"_id": slot_id, "takenSeats": seat},
            [{"$set": {"takenSeats": left, "appointment": REMOVED}}, *DERIVED],
            projection={"doctor": 1, "date": 1, "takenSeats": 1},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if freed is None:
            return []
        invalidate(day_tag(freed["doctor"], freed["date"]))
        return list(freed["takenSeats"])

    @classmethod
    def hold(cls, slot_id: ObjectId, appointment: ObjectId, *, session: ClientSession) -> None:
        """Name the only appointment that holds a slot, in the transaction that freed the other seats."""
        cls.collection().update_one({"_id": slot_id}, {"$set": {"appointment": appointment}}, session=session)

    @classmethod
    def of_day(cls, doctor: ObjectId, day: dt.date) -> list[PublicSlot]:
        """A doctor's slots of a day, in order; a dataclass costs a fiftieth of a MongoEngine document."""
        query = {"doctor": doctor, "date": clock.midnight_utc(day)}
        found = cls.collection().find(query, PUBLIC_FIELDS).sort("startTime")
        return [PublicSlot(row["_id"], *(row[name] for name in PUBLIC_FIELDS)) for row in found]

    @classmethod
    def nearest_free(cls, doctors: Sequence[ObjectId], instant: datetime, *, now: datetime, limit: int) -> "list[Slot]":
        """Return the free slots closest to an instant, before or after it, the closest first.

        Of slots at the same distance that of the first doctor comes first. MongoDB merges the doctors' parts of the
        index, which are in order (of more than 200 it sorts); the limit leaves room for one of each at the last time.
        """
        order = {doctor: position for position, doctor in enumerate(doctors)}

        def find_free(bounds: Raw, sign: str) -> "list[Slot]":
            query = {"doctor": {"$in": list(doctors)}, "isAvailable": True, "$and": [_upcoming(now), bounds]}
            found = cls.objects(__raw__=query).order_by(f"{sign}date", f"{sign}start_time")
            return list(found.limit(limit + len(order) - 1).hint("slot_once"))

        if not order:
            return []
        later = find_free({"date": {"$gt": instant - 2 * _MAX_LENGTH}, "startsAt": {"$gte": instant}}, "")
        earlier = find_free({"date": {"$lt": instant + _MAX_LENGTH}, "startsAt": {"$lt": instant}}, "-")
        nearest = sorted([*later, *earlier], key=lambda slot: (abs(slot.starts_at - instant), order[slot.doctor]))
        return nearest[:limit]

    @classmethod
    def free_on(cls, doctors: Sequence[ObjectId], day: dt.date, *, now: datetime) -> "list[Slot]":
        """The free slots of some doctors on a day."""
        free = {"doctor": {"$in": [*doctors]}, "date": clock.midnight_utc(day), "isAvailable": True}
        return list(cls.objects(__raw__={**free, "startsAt": {"$gt": now}}))

    @classmethod
    def doctors_free_on(cls, day: dt.date, *, now: datetime) -> list[ObjectId]:
        """The ids of doctors with a free slot on a day."""
        free = {"date": clock.midnight_utc(day), "isAvailable": True, "startsAt": {"$gt": now}}
        return list(cls.collection().distinct("doctor", free))

    @classmethod
    def doctors_away_on(cls, day: dt.date, doctors: Sequence[ObjectId]) -> set[ObjectId]:
        """Those of some doctors who have slots on a day, all of them blocked."""
        slots: Raw = {"doctor": {"$in": list(doctors)}, "date": clock.midnight_utc(day)}
        is_away = {"_id": "$doctor", "isAway": {"$min": "$isBlocked"}}
        found = cls.collection().aggregate([{"$match": slots}, {"$group": is_away}, {"$match": {"isAway": True}}])
        return {row["_id"] for row in found}

    @classmethod
    def counts_by_day(cls, doctor: ObjectId, first: dt.date, last: dt.date, *, now: datetime) -> list[Raw]:
        """Count the slots of each day that has any: `{_id: date, total, free}`, in no particular order."""
        days = {"$gte": clock.midnight_utc(first), "$lte": clock.midnight_utc(last)}
        bookable = {"$and": ["$isAvailable", {"$gt": ["$startsAt", now]}]}
        counts = {"_id": "$date", "total": {"$sum": 1}, "free": {"$sum": {"$cond": [bookable, 1, 0]}}}
        return list(cls.collection().aggregate([{"$match": {"doctor": doctor, "date": days}}, {"$group": counts}]))

    @classmethod
    def group_upcoming(cls, doctors: Sequence[ObjectId], *, after: datetime) -> dict[ObjectId, SlotGroups]:
        """Group each doctor's upcoming slots in MongoDB, which is cheaper than to load them all for a comparison."""
        key = {name: f"${name}" for name in ("doctor", *_GROUP_FIELDS)}
        rows = cls.collection().aggregate(
            [
                {"$match": {"doctor": {"$in": doctors}, **_upcoming(after)}},
                {"$group": {"_id": key, "days": {"$push": "$date"}}},
            ]
        )
        found: dict[ObjectId, SlotGroups] = {}
        for row in rows:
            doctor, *group = row["_id"].values()
            found.setdefault(doctor, {})[tuple(group)] = set(row["days"])
        return found

    @classmethod
    def existing(cls, doctor: ObjectId, *, after: datetime, session: ClientSession | None = None) -> list[ExistingSlot]:
        """Return the stored slots that end later than `after`."""
        unfinished = {"doctor": doctor, **_upcoming(after - _MAX_LENGTH)}
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
                is_blocked_by_person="blockReason" in raw,
                is_extra=raw.get("isExtra", False),
            )
            for raw in cls.collection().find(unfinished, _EXISTING_FIELDS, session=session)
        ]
        return [slot for slot in stored if slot.starts_at > after or slot.ends_at > after]

    @classmethod
    def block_upcoming(cls, doctor: ObjectId, *, session: ClientSession) -> None:
        """Block all upcoming slots of a doctor; the writes conflict with concurrent bookings, so none slips through."""
        now = clock.now()
        invalidate(schedule_tag(doctor))
        cls._block({"doctor": doctor, **_upcoming(now)}, now, session)

    @classmethod
    def _block(cls, query: Raw, now: datetime, session: ClientSession) -> None:
        blocked = {"isBlocked": True, "isAvailable": False, "updatedAt": now}
        cls.collection().update_many(query, {"$set": blocked}, session=session)

    @classmethod
    def set_blocked(
        cls, slot_id: ObjectId, *, is_blocked: bool, reason: BlockReason | None, session: ClientSession
    ) -> "Slot":
        """Block or unblock a slot, which was read in the same transaction; its bookings stay."""
        blocked = {"isBlocked": is_blocked, "blockReason": REMOVED if reason is None else str(reason)}
        raw = cls.collection().find_one_and_update(
            {"_id": slot_id}, [{"$set": blocked}, *DERIVED], return_document=ReturnDocument.AFTER, session=session
        )
        slot: Slot = cls.from_raw(raw)  # type: ignore[arg-type]
        invalidate(day_tag(slot.doctor, slot.date))
        return slot

    @classmethod
    def apply(cls, changes: SlotChanges, doctor: ObjectId, *, fee: int, session: ClientSession) -> None:
        """Write changes of a doctor's slots.

        Deletes come last where the unique index allows it: each slot that a transaction deleted slows down its later
        inserts (a week shifted by 15 minutes took seconds instead of a quarter of one).
        """
        invalidate(schedule_tag(doctor))
        slots, now = cls.collection(), clock.now()
        new_starts = {(slot.date, slot.start_time) for slot in changes.created} if changes.removed else set()
        replaced = [slot.id for slot in changes.removed if (slot.date, slot.start_time) in new_starts]
        if replaced:
            slots.delete_many({"_id": {"$in": replaced}}, session=session)
        if changes.conflicts:
            cls._block({"_id": {"$in": [slot.id for slot in changes.conflicts]}}, now, session)
        if changes.updated:
            slots.bulk_write(updates.to_operations(changes, fee), session=session)
        shape = cls(doctor=doctor, consultation_fee=fee, created_at=now, updated_at=now).to_mongo().to_dict()
        cls._insert(updates.to_rows(changes.created, shape), session)
        if len(replaced) < len(changes.removed):
            slots.delete_many({"_id": {"$in": [slot.id for slot in changes.removed]}}, session=session)

    @classmethod
    def _insert(cls, rows: list[Raw], session: ClientSession) -> None:
        """Insert with the raw command: the server assigns the ids, a quarter of the work of `insert_many`."""
        slots = cls.collection()
        for start in range(0, len(rows), _INSERT_BATCH_SIZE):
            batch = rows[start : start + _INSERT_BATCH_SIZE]
            result = slots.database.command("insert", slots.name, documents=batch, session=session)
            if "writeErrors" in result:
                raise BulkWriteError(result)
