"""Users have search keys, with an index; a search reads a range of it, whatever the number of patients.

Users whom the previous version writes while both run may have no keys, or those of an old name: `flask search-keys`
corrects them once only the new version runs.
"""

import pymongo

from arthomed.users import search_index

dependencies = ["0019_reception"]

_INDEX = "by_search_key"  # `users.search_index.NAME`
_AN_HOUR = 3600.0


def upgrade(db):
    search_index.fill(db.users)
    with pymongo.timeout(_AN_HOUR):  # the index of many users takes longer than other commands may
        db.users.create_index([("role", 1), ("search.keys", 1), ("_id", 1)], name=_INDEX)


def downgrade(db):
    if _INDEX in db.users.index_information():
        db.users.drop_index(_INDEX)
    db.users.update_many({"search": {"$exists": True}}, {"$unset": {"search": ""}})
