"""A doctor's own patients are read from an index alone."""

dependencies = ["0024_families"]

_OWN_PATIENTS, _KEYS = "own_patients", [("doctor", 1), ("status", 1), ("dependent", 1), ("patient", 1)]


def upgrade(db):
    db.appointments.create_index(_KEYS, name=_OWN_PATIENTS)


def downgrade(db):
    if _OWN_PATIENTS in db.appointments.index_information():
        db.appointments.drop_index(_OWN_PATIENTS)
