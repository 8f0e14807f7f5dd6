"""Users: each mobile number belongs to one user."""

from arthomed.infra.migrations import ensure_collection

dependencies: list[str] = []

_VALIDATOR = {
    "$jsonSchema": {
        "required": ["mobileNumber", "name", "role", "isActive", "isVerified"],
        "properties": {
            "mobileNumber": {"bsonType": "string", "pattern": "^[6-9][0-9]{9}$"},
            "name": {"bsonType": "string", "minLength": 2, "maxLength": 100},
            "role": {"enum": ["admin", "doctor", "receptionist", "patient"]},
            "isActive": {"bsonType": "bool"},
            "isVerified": {"bsonType": "bool"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "users", _VALIDATOR)
    users = db.users
    users.create_index("mobileNumber", name="mobile_once", unique=True)
    users.create_index([("email", 1)], name="email")
    users.create_index([("role", 1), ("isActive", 1), ("isVerified", 1), ("name", 1), ("_id", 1)], name="doctors")
    users.create_index(
        [("role", 1), ("doctorInfo.specialization", 1), ("isActive", 1), ("isVerified", 1), ("name", 1), ("_id", 1)],
        name="doctors_by_specialization",
    )
    users.create_index([("createdAt", -1), ("_id", -1)], name="newest")
    users.create_index([("role", 1), ("createdAt", -1), ("_id", -1)], name="newest_of_role")
    users.create_index([("name", 1), ("_id", 1)], name="by_name")


def downgrade(db):
    db.users.drop()
