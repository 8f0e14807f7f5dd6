"""Files: unique names and storage keys; indexes by record, owner, state and deletion."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0008_privacy"]

_FILE = {
    "$jsonSchema": {
        "required": ["filename", "key", "kind", "record", "owner", "uploader", "size", "sha256", "state", "createdAt"],
        "properties": {
            "kind": {"enum": ["appointments", "profiles"]},
            "record": {"bsonType": "objectId"},
            "owner": {"bsonType": "objectId"},
            "uploader": {"bsonType": "objectId"},
            "size": {"bsonType": ["int", "long"], "minimum": 1},
            "sha256": {"bsonType": "string", "pattern": "^[0-9a-f]{64}$"},
            "state": {"enum": ["waiting", "ready", "infected", "missing"]},
            "createdAt": {"bsonType": "date"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "files", _FILE)
    files = db.files
    files.create_index("filename", name="filename_once", unique=True)
    files.create_index("key", name="key_once", unique=True)
    files.create_index("thumbnail", name="by_thumbnail", sparse=True)
    files.create_index([("kind", 1), ("record", 1), ("_id", 1)], name="of_record")
    files.create_index([("owner", 1), ("_id", 1)], name="of_owner")
    files.create_index([("state", 1), ("updatedAt", 1)], name="by_state")
    files.create_index("doomedAt", name="doomed", sparse=True)
    files.create_index("createdAt", name="unattached", partialFilterExpression={"attachedAt": None})
    files.create_index("createdAt", name="oldest")


def downgrade(db):
    db.files.drop()
