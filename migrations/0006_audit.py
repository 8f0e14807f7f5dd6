"""The audit trail: which user read or changed which records. A TTL index removes events after three years."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0005_outbox"]

_THREE_YEARS = 3 * 366 * 24 * 3600  # seconds

_EVENT = {
    "$jsonSchema": {
        "required": ["at", "action", "kind", "records", "subjects"],
        "properties": {
            "at": {"bsonType": "date"},
            "action": {"enum": ["read", "create", "change", "delete"]},
            "records": {"bsonType": "array", "items": {"bsonType": "objectId"}},
            "subjects": {"bsonType": "array", "items": {"bsonType": "objectId"}},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "audit_events", _EVENT)
    events = db.audit_events
    for name in ("subjects", "actor", "records"):
        events.create_index([(name, 1), ("at", -1), ("_id", -1)], name=f"by_{name}")
    events.create_index([("at", -1), ("_id", -1)], name="newest")
    events.create_index("at", name="expiry", expireAfterSeconds=_THREE_YEARS)


def downgrade(db):
    db.audit_events.drop()
