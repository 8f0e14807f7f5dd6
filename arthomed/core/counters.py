"""Numbers without gaps: tokens of a day's queue, receipts of a financial year."""

from mongoengine import IntField, StringField
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from arthomed.core import clock
from arthomed.core.documents import ClinicDocument


class Counter(ClinicDocument):
    """The last number that was given out under a name (`_id`)."""

    meta = {"collection": "counters"}

    name = StringField(primary_key=True)
    value = IntField(required=True)

    @classmethod
    def next(cls, name: str, session: ClientSession, *, count: int = 1) -> int:
        """The next number, from 1 on; with `count`, the first of so many.

        A transaction that is aborted gives its number back, so there are no gaps. Two transactions that take a number
        of the same name conflict: take it late.
        """
        now = clock.now()
        raw = cls.collection().find_one_and_update(
            {"_id": name},
            {"$inc": {"value": count}, "$set": {"updatedAt": now}, "$setOnInsert": {"createdAt": now}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        last: int = raw["value"]  # type: ignore[index]  # an upsert always finds one
        return last - count + 1
