"""Families: dependents, each once in a family; the files of each; who an appointment is for."""

from pymongo.collation import Collation

from arthomed.infra.migrations import ensure_collection

dependencies = ["0023_blocked_and_extra_slots"]

_DEPENDENT = {
    "$jsonSchema": {
        "required": ["owner", "name", "isActive", "createdAt", "updatedAt"],
        "properties": {
            "owner": {"bsonType": "objectId"},
            "name": {"bsonType": "string"},
            "isActive": {"bsonType": "bool"},
            "claimedBy": {"bsonType": "objectId"},
        },
    }
}


def upgrade(db):
    ensure_collection(db, "dependents", _DEPENDENT)
    dependents = db.dependents
    dependents.create_index(
        [("owner", 1), ("name", 1), ("dateOfBirth", 1)],
        name="dependent_once",
        unique=True,
        partialFilterExpression={"isActive": True},
        collation=Collation("en", strength=2),
    )
    dependents.create_index([("owner", 1), ("isActive", 1), ("name", 1), ("_id", 1)], name="of_owner")
    db.files.create_index([("owner", 1), ("dependent", 1), ("kind", 1), ("_id", -1)], name="of_person")


def downgrade(db):
    db.dependents.drop()
    if "of_person" in db.files.index_information():
        db.files.drop_index("of_person")
