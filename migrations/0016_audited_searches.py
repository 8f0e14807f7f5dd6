"""The audit trail also records searches, so its validator accepts one more action."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0015_wrong_codes"]

_BEFORE = ["read", "create", "change", "delete"]
_IDS = {"bsonType": "array", "items": {"bsonType": "objectId"}}
_SEARCH = {
    "bsonType": "object",
    "required": ["filters", "found"],
    "properties": {"filters": {"bsonType": "object"}, "found": {"bsonType": "number", "minimum": 0}},
}


def upgrade(db):
    ensure_collection(db, "audit_events", _validator([*_BEFORE, "search"], {"search": _SEARCH}))


def downgrade(db):
    ensure_collection(db, "audit_events", _validator(_BEFORE, {}))


def _validator(actions, properties):
    required = ["at", "action", "kind", "records", "subjects"]
    common = {"at": {"bsonType": "date"}, "action": {"enum": actions}, "records": _IDS, "subjects": _IDS}
    return {"$jsonSchema": {"required": required, "properties": {**common, **properties}}}
