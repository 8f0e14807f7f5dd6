"""Slots name the appointment that holds them, while it is only one; nothing requires the field yet."""

from pymongo import UpdateOne

dependencies = ["0016_audited_searches"]

_ACTIVE = ["pending", "confirmed", "in-progress"]


def upgrade(db):
    """Name the holders of the slots that have one seat taken, as read a moment before."""
    single = [
        {"$match": {"status": {"$in": _ACTIVE}}},
        {"$group": {"_id": "$slot", "holders": {"$push": "$_id"}}},
        {"$match": {"holders": {"$size": 1}}},
    ]
    updates = [
        UpdateOne(
            {"_id": row["_id"], "bookedPatients": 1, "appointment": None}, {"$set": {"appointment": row["holders"][0]}}
        )
        for row in db.appointments.aggregate(single, allowDiskUse=True)
    ]
    if updates:
        db.slots.bulk_write(updates, ordered=False)


def downgrade(db):
    db.slots.update_many({"appointment": {"$exists": True}}, {"$unset": {"appointment": ""}})
