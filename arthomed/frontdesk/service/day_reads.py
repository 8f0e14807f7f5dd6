"""Audit events of reading the list of the day, which clients request every few seconds."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from threading import Lock

from bson import ObjectId

from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.core import clock
from arthomed.core.actor import Actor

RECORDED_FOR = timedelta(hours=1)
"""After so long the reads of a session that goes on reading the same list are recorded again."""
_MAX_LISTS = 1000
_Key = tuple[ObjectId | None, tuple[tuple[str, object], ...]]


class _RecordedReads:
    """What this process has recorded lately, by session and list; the list that was read least recently goes first."""

    def __init__(self) -> None:
        self._lists: OrderedDict[_Key, tuple[datetime, frozenset[ObjectId]]] = OrderedDict()
        self._lock = Lock()

    def add(self, key: _Key, records: Iterable[ObjectId], now: datetime) -> tuple[bool, list[ObjectId]]:
        """Whether the list is new to its session, and the records of it that are."""
        with self._lock:
            since, known = self._lists.pop(key, (None, frozenset[ObjectId]()))
            is_new = since is None or abs(now - since) >= RECORDED_FOR
            if since is None or is_new:
                since, known = now, frozenset()
            new = [record for record in records if record not in known]
            self._lists[key] = since, known.union(new)
            if len(self._lists) > _MAX_LISTS:
                self._lists.popitem(last=False)
        return is_new, new


_recorded = _RecordedReads()


def record(actor: Actor, filters: Mapping[str, object], patients: Mapping[ObjectId, ObjectId]) -> None:
    """Record what the list newly shows to this session; `patients` has the patient of each appointment.

    A list that is requested again, and a change of an appointment in it, is no new access to a patient's record.
    """
    key = actor.session_id, tuple(sorted(filters.items()))
    is_new, appointments = _recorded.add(key, patients, clock.now())
    if is_new:
        audit.record_search(actor, Kind.APPOINTMENT, filters, found=len(patients))
    if appointments:
        audit.record_read(actor, Kind.APPOINTMENT, appointments, [patients[one] for one in appointments])
