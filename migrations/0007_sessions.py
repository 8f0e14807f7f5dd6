"""Sessions have the name and platform of their device, and the time when they were last used."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0006_audit"]

_REQUIRED = ["user", "role", "generation", "expiresAt"]
_BEFORE = {"user": {"bsonType": "objectId"}, "expiresAt": {"bsonType": "date"}}
_AFTER = {
    **_BEFORE,
    "platform": {"enum": ["android", "ios", "web", "other"]},
    "lastUsedAt": {"bsonType": "date"},
}
_DEVICES = "devices"


def upgrade(db):
    db.sessions.update_many(
        {"lastUsedAt": {"$exists": False}},
        [{"$set": {"lastUsedAt": "$updatedAt", "name": "$device", "platform": "other"}}, {"$unset": "device"}],
    )
    ensure_collection(db, "sessions", _validator(_AFTER))
    _create_devices_index(db.sessions, "lastUsedAt")


def downgrade(db):
    ensure_collection(db, "sessions", _validator(_BEFORE))
    db.sessions.update_many(
        {"lastUsedAt": {"$exists": True}},
        [{"$set": {"device": "$name"}}, {"$unset": ["lastUsedAt", "name", "platform"]}],
    )
    _create_devices_index(db.sessions, "updatedAt")


def _create_devices_index(sessions, sorted_by):
    """Create the index that lists a user's devices, the latest first; replace one that sorts by another field."""
    keys = [("user", 1), (sorted_by, -1)]
    found = sessions.index_information().get(_DEVICES)
    if found is not None and found["key"] != keys:
        sessions.drop_index(_DEVICES)
    sessions.create_index(keys, name=_DEVICES)


def _validator(properties):
    return {"$jsonSchema": {"required": _REQUIRED, "properties": properties}}
