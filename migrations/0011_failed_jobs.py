"""Jobs that failed permanently; a TTL index removes them after a month."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0010_delivery"]

_MONTH = 30 * 24 * 3600
_FAILED_JOB = {
    "$jsonSchema": {
        "required": ["job", "ids", "error", "attempts", "firstFailedAt", "lastFailedAt"],
        "properties": {
            "_id": {"bsonType": "string"},
            "job": {"bsonType": "string"},
            "ids": {"bsonType": "array", "items": {"bsonType": "string"}},
            "error": {"bsonType": "string", "pattern": "^[A-Za-z0-9_]+$"},
            "attempts": {"bsonType": ["int", "long"], "minimum": 1},
            "firstFailedAt": {"bsonType": "date"},
            "lastFailedAt": {"bsonType": "date"},
            "requestId": {"bsonType": ["string", "null"]},
            "askedAgainAt": {"bsonType": "date"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "failed_jobs", _FAILED_JOB)
    db.failed_jobs.create_index("lastFailedAt", name="kept_for_a_month", expireAfterSeconds=_MONTH)


def downgrade(db):
    db.failed_jobs.drop()
