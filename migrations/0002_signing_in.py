"""Sign-in: one OTP per mobile number, sessions and rate-limit counters; TTL indexes remove them after they expire."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0001_people"]

_OTP = {
    "$jsonSchema": {
        "required": ["mobileNumber", "otp", "attempts", "isUsed", "expiresAt"],
        "properties": {
            "otp": {"bsonType": "string", "pattern": "^[0-9a-f]{64}$", "description": "a digest, never a code"},
            "attempts": {"bsonType": "int", "minimum": 0, "maximum": 3},
            "expiresAt": {"bsonType": "date"},
        },
    }
}

_SESSION = {
    "$jsonSchema": {
        "required": ["user", "role", "generation", "expiresAt"],
        "properties": {"user": {"bsonType": "objectId"}, "expiresAt": {"bsonType": "date"}},
    }
}
_COUNTER = {
    "$jsonSchema": {
        "required": ["used", "endsAt"],
        "properties": {"used": {"bsonType": ["int", "long"], "minimum": 0}, "endsAt": {"bsonType": "date"}},
    }
}


def upgrade(db):
    ensure_collection(db, "otps", _OTP)
    ensure_collection(db, "sessions", _SESSION)
    ensure_collection(db, "budgets", _COUNTER)
    db.otps.create_index("mobileNumber", name="code_once", unique=True)
    db.otps.create_index("issue", name="issue")
    for name, field in (("otps", "expiresAt"), ("sessions", "expiresAt"), ("budgets", "endsAt")):
        db[name].create_index(field, name="expiry", expireAfterSeconds=0)
    db.sessions.create_index([("user", 1), ("updatedAt", -1)], name="devices")


def downgrade(db):
    for name in ("otps", "sessions", "budgets"):
        db[name].drop()
