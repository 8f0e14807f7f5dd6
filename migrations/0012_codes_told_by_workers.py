"""An OTP document outlives its code, because it also counts failures; an index finds OTPs that were not sent yet.

The collection `budgets` stays, because the previous version uses it. A later migration may drop it.
"""

dependencies = ["0011_failed_jobs"]

_MAX_LOCK_SECONDS = 3600


def upgrade(db):
    _keep_expired_otps(db, _MAX_LOCK_SECONDS)
    db.otps.create_index("tellAt", name="untold", sparse=True)


def downgrade(db):
    if "untold" in db.otps.index_information():
        db.otps.drop_index("untold")
    _keep_expired_otps(db, 0)


def _keep_expired_otps(db, seconds):
    """Set for how many seconds OTP documents are kept after they expire."""
    db.command("collMod", "otps", index={"name": "expiry", "expireAfterSeconds": seconds})
