"""Erased users have no mobile number, expired exports are removed, and an index finds the messages of a user."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0007_sessions"]

_MOBILE = "^[6-9][0-9]{9}$"
_MOBILE_OR_ERASED = "^([6-9][0-9]{9}|erased:[0-9a-f]{24})$"
_EXPORT = {
    "$jsonSchema": {
        "required": ["state", "askedAt", "expiresAt"],
        "properties": {"state": {"enum": ["waiting", "ready"]}, "expiresAt": {"bsonType": "date"}},
    }
}


def upgrade(db):
    ensure_collection(db, "users", _user_validator(_MOBILE_OR_ERASED))
    db.users.create_index("keptUntil", name="kept_until", sparse=True)
    ensure_collection(db, "exports", _EXPORT)
    db.exports.create_index("expiresAt", name="expiry", expireAfterSeconds=0)
    db.notifications.create_index([("user", 1), ("createdAt", -1)], name="of_user", sparse=True)


def downgrade(db):
    db.notifications.drop_index("of_user")
    db.exports.drop()
    db.users.drop_index("kept_until")
    ensure_collection(db, "users", _user_validator(_MOBILE))


def _user_validator(mobile_pattern):
    return {
        "$jsonSchema": {
            "required": ["mobileNumber", "name", "role", "isActive", "isVerified"],
            "properties": {
                "mobileNumber": {"bsonType": "string", "pattern": mobile_pattern},
                "name": {"bsonType": "string", "minLength": 2, "maxLength": 100},
                "role": {"enum": ["admin", "doctor", "receptionist", "patient"]},
                "isActive": {"bsonType": "bool"},
                "isVerified": {"bsonType": "bool"},
            },
        }
    }
