"""Versions of cache tags, which are removed when they have not changed for long; see arthomed/core/cache.py."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0013_fewer_indexes_of_slots"]

_HUNDRED_DAYS = 100 * 24 * 3600  # a reader then makes a new version, so that no cached response is taken for current
_CACHE_TAG = {
    "$jsonSchema": {
        "required": ["version", "changedAt"],
        "properties": {
            "_id": {"bsonType": "string"},
            "version": {"bsonType": "binData"},
            "changedAt": {"bsonType": "date"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "cache_tags", _CACHE_TAG)
    db.cache_tags.create_index("changedAt", name="kept_for_a_hundred_days", expireAfterSeconds=_HUNDRED_DAYS)


def downgrade(db):
    db.cache_tags.drop()
