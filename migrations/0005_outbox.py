"""The outbox: it holds one message per subject, kind, version and channel."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0004_appointments"]

_NOTIFICATION = {
    "$jsonSchema": {
        "required": ["subject", "kind", "version", "channel", "state", "dueAt"],
        "properties": {
            "channel": {"enum": ["sms", "email"]},
            "state": {"enum": ["waiting", "sent", "dropped", "failed"]},
            "dueAt": {"bsonType": "date"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "notifications", _NOTIFICATION)
    outbox = db.notifications
    outbox.create_index([("subject", 1), ("kind", 1), ("version", 1), ("channel", 1)], name="message_once", unique=True)
    outbox.create_index([("state", 1), ("dueAt", 1)], name="due")


def downgrade(db):
    db.notifications.drop()
