"""Sessions know their device by name and platform, and when it was last used."""

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
    _index(db.sessions, "lastUsedAt")


def downgrade(db):
    ensure_collection(db, "sessions", _validator(_BEFORE))
    db.sessions.update_many(
        {"lastUsedAt": {"$exists": True}},
        [{"$set": {"device": "$name"}}, {"$unset": ["lastUsedAt", "name", "platform"]}],
    )
    _index(db.sessions, "updatedAt")


def _index(sessions, latest):
    """Make the index that lists a person's devices, the latest first."""
    wanted = [("user", 1), (latest, -1)]
    found = sessions.index_information().get(_DEVICES)
    if found is not None and found["key"] != wanted:
        sessions.drop_index(_DEVICES)
    sessions.create_index(wanted, name=_DEVICES)


def _validator(properties):
    return {"$jsonSchema": {"required": _REQUIRED, "properties": properties}}
