"""Slots name the appointment that holds them, while it is only one; nothing requires the field yet.

A process of the version before keeps booking without naming it. When the last one has ended, downgrade and upgrade this
migration once more; `flask audit` lists the slots that need it.
"""

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
