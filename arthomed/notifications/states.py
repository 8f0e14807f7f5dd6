"""The state of the latest messages about each of several appointments, for lists."""

from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from arthomed.core.documents import Pipeline, Raw
from arthomed.notifications.gateways import DeliveryStatus
from arthomed.notifications.models import Notification, State

DELIVERED = str(DeliveryStatus.DELIVERED)
_BEST_FIRST = (DELIVERED, State.SENT, State.WAITING, State.FAILED, State.EXPIRED, State.DROPPED)
_RANKS = {str(state): rank for rank, state in enumerate(_BEST_FIRST)}
_FINGERPRINT: Pipeline = [
    {"$group": {"_id": None, "count": {"$sum": 1}, "updates": {"$sum": {"$toLong": "$updatedAt"}}}},
    {"$project": {"_id": 0}},
]


class MessageStates:
    """The messages about some subjects, as of one moment."""

    def __init__(self, subjects: Collection[ObjectId]) -> None:
        self._about = Notification.objects(subject__in=list(subjects))
        self._rows: list[Raw] = list(
            self._about.only("subject", "version", "state", "receipt.status", "updated_at").as_pymongo()
        )
        updates = sum(map(_milliseconds, self._rows))
        self._fingerprint = [{"count": len(self._rows), "updates": updates}] if self._rows else []

    def of_subjects(self) -> dict[ObjectId, str]:
        """How far the latest message about each subject came, on whatever channel it came furthest."""
        latest: dict[ObjectId, list[Raw]] = {}
        for row in sorted(self._rows, key=lambda one: int(one["version"]), reverse=True):
            messages = latest.setdefault(row["subject"], [])
            if not messages or messages[0]["version"] == row["version"]:
                messages.append(row)
        return {subject: min(map(_state, messages), key=_RANKS.__getitem__) for subject, messages in latest.items()}

    def are_current(self) -> bool:
        """Whether no message has changed since; a sum also notices the change of a host whose clock is behind."""
        return list(self._about.aggregate(_FINGERPRINT)) == self._fingerprint


def _state(row: Raw) -> str:
    return DELIVERED if row.get("receipt", {}).get("arrival") == DELIVERED else str(row["state"])


def _milliseconds(row: Raw) -> int:
    updated_at: datetime = row["updatedAt"]
    return round(updated_at.timestamp() * 1000)
