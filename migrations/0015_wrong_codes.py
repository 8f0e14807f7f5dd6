"""An OTP document counts the wrong codes of a day, so it is kept for a day after its code has expired."""

dependencies = ["0014_cache_tags"]

_HOUR, _DAY = 3600, 86_400


def upgrade(db):
    _keep_expired_otps(db, _DAY)


def downgrade(db):
    _keep_expired_otps(db, _HOUR)


def _keep_expired_otps(db, seconds):
    db.command("collMod", "otps", index={"name": "expiry", "expireAfterSeconds": seconds})
