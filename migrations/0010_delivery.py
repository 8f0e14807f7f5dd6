"""Messages have push, fallback, expiry and delivery receipts; a TTL index removes them after a year."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0009_files"]

_REQUIRED = ["subject", "kind", "version", "channel", "state", "dueAt"]
_BEFORE = {
    "channel": {"enum": ["sms", "email"]},
    "state": {"enum": ["waiting", "sent", "dropped", "failed"]},
    "dueAt": {"bsonType": "date"},
}
_AFTER = {
    "channel": {"enum": ["sms", "email", "push"]},
    "state": {"enum": ["waiting", "sent", "dropped", "expired", "failed"]},
    "dueAt": {"bsonType": "date"},
    "usefulUntil": {"bsonType": "date"},
    "about": {"bsonType": "date"},
    "fallback": {"enum": ["email"]},
    "fallbackAt": {"bsonType": "date"},
    "receipt": {
        "bsonType": "object",
        "required": ["sid", "arrival", "rank", "at"],
        "properties": {"arrival": {"enum": ["queued", "sent", "undelivered", "failed", "delivered"]}},
    },
}
_NEW_INDEXES = ("late", "falling_back", "of_state", "kept_for_a_year")
_YEAR = 366 * 24 * 3600


def upgrade(db):
    ensure_collection(db, "notifications", _validator(_AFTER))
    outbox = db.notifications
    outbox.create_index("usefulUntil", name="late", partialFilterExpression={"state": "waiting"})
    outbox.create_index("fallbackAt", name="falling_back", sparse=True)
    outbox.create_index([("state", 1), ("_id", -1)], name="of_state")
    outbox.create_index("createdAt", name="kept_for_a_year", expireAfterSeconds=_YEAR)
    db.sessions.create_index("pushToken", name="push_token_once", unique=True, sparse=True)


def downgrade(db):
    """Remove push messages, and mark expired ones as failed: the previous version has neither."""
    db.sessions.drop_index("push_token_once")
    db.sessions.update_many({"pushToken": {"$exists": True}}, {"$unset": {"pushToken": ""}})
    outbox = db.notifications
    for name in _NEW_INDEXES:
        outbox.drop_index(name)
    outbox.delete_many({"channel": "push"})
    outbox.update_many({"state": "expired"}, {"$set": {"state": "failed"}})
    ensure_collection(db, "notifications", _validator(_BEFORE))


def _validator(properties):
    return {"$jsonSchema": {"required": _REQUIRED, "properties": properties}}
