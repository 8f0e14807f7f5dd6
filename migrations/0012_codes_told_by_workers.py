"""A number's failures are kept beside its code, for longer than that lives; codes that nobody was told of are found.

`budgets` stays, for the version before this one; the next may drop it.
"""

dependencies = ["0011_failed_jobs"]

_LONGEST_LOCK = 3600


def upgrade(db):
    _keep_codes(db, _LONGEST_LOCK)
    db.otps.create_index("tellAt", name="untold", sparse=True)


def downgrade(db):
    if "untold" in db.otps.index_information():
        db.otps.drop_index("untold")
    _keep_codes(db, 0)


def _keep_codes(db, seconds):
    """How long after they expired."""
    db.command("collMod", "otps", index={"name": "expiry", "expireAfterSeconds": seconds})
