"""The appointments of a day, each loaded again only when something that its row shows has changed.

The list of the day is requested every few seconds and changes as often, mostly in one of its rows. The tags of a
patient change with each change of the patient and of the patient's appointments, so a row is kept with their versions.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from threading import Lock

from bson import ObjectId

from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.core import cache
from arthomed.core.cache import Versions
from arthomed.files.rules import State
from arthomed.frontdesk import days
from arthomed.users.models import DOCTORS_TAG, user_tag

MAX_ROWS = 1000
_MAX_KEPT = 1000  # of about 15 KB each


@dataclass(frozen=True, slots=True)
class Row:
    """An appointment with its people and files; two of the same versions and states of files are equal.

    Threads share it: do not change it.
    """

    id: ObjectId
    versions: tuple[bytes, ...]
    files: tuple[tuple[ObjectId, State], ...]
    appointment: Appointment = field(compare=False)
    is_first_appointment: bool = field(compare=False)


class _KeptRows:
    """The rows of a process, least recently used last."""

    def __init__(self) -> None:
        self._rows: OrderedDict[ObjectId, Row] = OrderedDict()
        self._lock = Lock()

    def get(self, appointment_id: ObjectId, versions: tuple[bytes, ...]) -> Row | None:
        with self._lock:
            row = self._rows.get(appointment_id)
            if row is None or row.versions != versions:
                return None
            self._rows.move_to_end(appointment_id)
            return row

    def put(self, rows: Iterable[Row]) -> None:
        with self._lock:
            for row in rows:
                self._rows[row.id] = row
                self._rows.move_to_end(row.id)
            while len(self._rows) > _MAX_KEPT:
                self._rows.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()


kept = _KeptRows()


def of_day(day: date, doctor: ObjectId | None) -> list[Row]:
    """The rows of a day in no particular order.

    Declares the tags that they depend on; the caller declares those that change when an appointment is added.
    """
    patients = days.patients_of_day(day, doctor, limit=MAX_ROWS)
    tags = {tag for patient in patients.values() for tag in (appointments_tag(patient), user_tag(patient))}
    versions = cache.read_versions([DOCTORS_TAG, *tags])
    cache.uses(versions)
    wanted = {one: _versions_of(patient, versions) for one, patient in patients.items()}
    found = [row for one, expected in wanted.items() if (row := kept.get(one, expected))]
    missing = wanted.keys() - {row.id for row in found}
    return found + _load([*missing], wanted, day)


def _load(ids: Sequence[ObjectId], versions: dict[ObjectId, tuple[bytes, ...]], day: date) -> list[Row]:
    """Load rows. Those with files are not kept, because workers change files without a tag."""
    if not ids:
        return []
    appointments = Appointment.with_people(list(Appointment.objects(id__in=ids)))
    treated = days.treated_before([one.patient_id for one in appointments], day)
    rows = [
        Row(
            one.id,
            versions[one.id],
            _files_of(one),
            one,
            is_first_appointment=(one.patient_id, one.dependent_id) not in treated,
        )
        for one in appointments
    ]
    kept.put(row for row in rows if not row.files)
    return rows


def _files_of(appointment: Appointment) -> tuple[tuple[ObjectId, State], ...]:
    return tuple((image.id, image.state) for image in appointment.images)


def _versions_of(patient: ObjectId, versions: Versions) -> tuple[bytes, ...]:
    return versions[DOCTORS_TAG], versions[appointments_tag(patient)], versions[user_tag(patient)]
