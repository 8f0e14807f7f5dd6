"""Budgets are counted in Redis; a number's failures are kept beside its code, for longer than that lives."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0011_failed_jobs"]

_LONGEST_LOCK = 3600
_BUDGET = {
    "$jsonSchema": {
        "required": ["used", "endsAt"],
        "properties": {"used": {"bsonType": ["int", "long"], "minimum": 0}, "endsAt": {"bsonType": "date"}},
    }
}


def upgrade(db):
    _keep_codes(db, _LONGEST_LOCK)
    db.otps.create_index("createdAt", name="untold", partialFilterExpression={"untold": True})
    db.budgets.drop()


def downgrade(db):
    ensure_collection(db, "budgets", _BUDGET)
    db.budgets.create_index("endsAt", name="expiry", expireAfterSeconds=0)
    if "untold" in db.otps.index_information():
        db.otps.drop_index("untold")
    _keep_codes(db, 0)


def _keep_codes(db, seconds):
    """How long after they expired."""
    db.command("collMod", "otps", index={"name": "expiry", "expireAfterSeconds": seconds})
