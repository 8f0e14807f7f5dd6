"""Names of one letter, and the order of a dictionary for lists by name.

The previous version sorts by name without the dropped indexes, in memory.
"""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0017_slot_appointment"]

_COLLATION = {"locale": "en"}  # that of the queries, `users.models.DICTIONARY_ORDER`
_BY_NAME = [("name", 1), ("_id", 1)]
_BOOKABLE = [("isActive", 1), ("isVerified", 1), *_BY_NAME]
_INDEXES = {
    "by_name": _BY_NAME,
    "doctors": [("role", 1), *_BOOKABLE],
    "doctors_by_specialization": [("role", 1), ("doctorInfo.specialization", 1), *_BOOKABLE],
}
_OF_ROLE = "of_role"  # for counts, which use no collation


def upgrade(db):
    ensure_collection(db, "users", _validator(min_length=1))
    db.users.create_index([("role", 1), ("isActive", 1), ("isVerified", 1)], name=_OF_ROLE)
    for name, keys in _INDEXES.items():
        db.users.create_index(keys, name=f"{name}_in_order", collation=_COLLATION)
        _drop(db, name)


def downgrade(db):
    ensure_collection(db, "users", _validator(min_length=2))
    for name, keys in _INDEXES.items():
        db.users.create_index(keys, name=name)
        _drop(db, f"{name}_in_order")
    _drop(db, _OF_ROLE)


def _drop(db, name):
    if name in db.users.index_information():
        db.users.drop_index(name)


def _validator(min_length):
    return {
        "$jsonSchema": {
            "required": ["mobileNumber", "name", "role", "isActive", "isVerified"],
            "properties": {
                "mobileNumber": {"bsonType": "string", "pattern": "^([6-9][0-9]{9}|erased:[0-9a-f]{24})$"},
                "name": {"bsonType": "string", "minLength": min_length, "maxLength": 100},
                "role": {"enum": ["admin", "doctor", "receptionist", "patient"]},
                "isActive": {"bsonType": "bool"},
                "isVerified": {"bsonType": "bool"},
            },
        }
    }
