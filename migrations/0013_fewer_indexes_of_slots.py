"""Slots have two indexes less to keep: what they were for `slot_once` does as well, asked by the date, too.

The version before this one finds other times with it as well, only not as fast.
"""

dependencies = ["0012_codes_told_by_workers"]

_SPARED = {
    "coming": [("doctor", 1), ("startsAt", 1)],
    "free_of_doctor": [("doctor", 1), ("isAvailable", 1), ("startsAt", 1)],
}


def upgrade(db):
    for name in _SPARED.keys() & db.slots.index_information().keys():
        db.slots.drop_index(name)


def downgrade(db):
    for name, keys in _SPARED.items():
        db.slots.create_index(keys, name=name)
