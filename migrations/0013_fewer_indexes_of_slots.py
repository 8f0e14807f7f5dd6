"""Drop two indexes of slots: queries that also filter by date use `slot_once` instead.

The queries of the previous version can use `slot_once`, too, only less efficiently.
"""

dependencies = ["0012_codes_told_by_workers"]

_DROPPED = {
    "coming": [("doctor", 1), ("startsAt", 1)],
    "free_of_doctor": [("doctor", 1), ("isAvailable", 1), ("startsAt", 1)],
}


def upgrade(db):
    for name in _DROPPED.keys() & db.slots.index_information().keys():
        db.slots.drop_index(name)


def downgrade(db):
    for name, keys in _DROPPED.items():
        db.slots.create_index(keys, name=name)
