"""Reads that a screen repeats every few seconds: each session's are recorded once."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from threading import Lock

from bson import ObjectId

RECORDED_FOR = timedelta(hours=1)
"""After so long the reads of a session that goes on reading the same list are recorded again."""
_MAX_LISTS = 1000


class RecordedReads:
    """What this process has recorded lately, by session and list; the list that was read least recently goes first."""

    def __init__(self) -> None:
        self._lists: OrderedDict[Hashable, tuple[datetime, frozenset[ObjectId]]] = OrderedDict()
        self._lock = Lock()

    def add(self, key: Hashable, records: Iterable[ObjectId], now: datetime) -> tuple[bool, list[ObjectId]]:
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


recorded = RecordedReads()
