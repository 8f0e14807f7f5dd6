"""A doctor's own patients are read from an index alone; an overflow place collides with nothing else of its patient.

Its time is no promise: a patient may wait for two doctors whose last slots end at the same time.
"""

dependencies = ["0024_families"]

_OWN_PATIENTS, _TIME_ONCE, _MEANWHILE = "own_patients", "patient_time_once", "patient_time_once_meanwhile"
_OWN_PATIENTS_KEYS = [("doctor", 1), ("status", 1), ("dependent", 1), ("patient", 1)]
_ACTIVE = {"status": {"$in": ["pending", "confirmed", "in-progress"]}}
_WITH_SLOT = {**_ACTIVE, "seat": {"$lte": 1000}}


def upgrade(db):
    db.appointments.create_index(_OWN_PATIENTS_KEYS, name=_OWN_PATIENTS)
    _replace_time_once(db.appointments, _WITH_SLOT)


def downgrade(db):
    """Fails while a patient has two active appointments at one time."""
    if "appointments" in db.list_collection_names():
        _replace_time_once(db.appointments, _ACTIVE)
        _drop(db.appointments, _OWN_PATIENTS)


def _replace_time_once(appointments, which):
    """Another index on the same fields holds the rule while the old one, whose name both versions require, is gone."""
    fields = ("patient", "dependent", "startsAt")
    _create_unique(appointments, _MEANWHILE, reversed(fields), which)
    _drop(appointments, _TIME_ONCE)
    _create_unique(appointments, _TIME_ONCE, fields, which)
    _drop(appointments, _MEANWHILE)


def _create_unique(appointments, name, fields, which):
    keys = [(field, 1) for field in fields]
    appointments.create_index(keys, name=name, unique=True, partialFilterExpression=which)


def _drop(appointments, name):
    if name in appointments.index_information():
        appointments.drop_index(name)
