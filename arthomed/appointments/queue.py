"""The place of a patient in a doctor's queue of the day, as an appointment stores it."""

from datetime import datetime
from typing import Any

from mongoengine import DateTimeField, EmbeddedDocumentField, EnumField, IntField, ListField, ObjectIdField, StringField

from arthomed.appointments.rules import Priority
from arthomed.core.documents import ClinicEmbeddedDocument, Raw


class Place(ClinicEmbeddedDocument):
    """What steps in the queue change: arriving, calling, skipping.

    `due_at` is set by a skip; without it the due time follows from the slot and the arrival. A skipped patient waits
    until those in `behind` were called.
    """

    meta = {"abstract": True}

    arrived_at = DateTimeField(db_field="arrivedAt")
    called_at = DateTimeField(db_field="calledAt")
    due_at = DateTimeField(db_field="dueAt")
    skipped_at = DateTimeField(db_field="skippedAt")
    behind = ListField(ObjectIdField())
    skips = IntField(default=0)


_PLACE = ("arrived_at", "called_at", "due_at", "skipped_at", "behind", "skips")


class FormerPlace(Place):
    """The place before a step, which an undo restores; `left_at` is the time of the step."""

    step = StringField(required=True)
    left_at = DateTimeField(db_field="leftAt", required=True)


class Queue(Place):
    """The present place. `token` counts from 1 for each doctor and day.

    A token is never reused: an undone arrival keeps it, without `arrived_at`.
    """

    token = IntField(required=True)
    priority = EnumField(Priority)
    priority_reason = StringField(db_field="priorityReason")
    former = EmbeddedDocumentField(FormerPlace)

    @property
    def decisive(self) -> Raw:
        """The stored fields that each change of the place changes."""
        return {
            "arrivedAt": self.arrived_at,
            "calledAt": self.called_at,
            "skippedAt": self.skipped_at,
            "priority": self.priority,
        }

    def changed(self, **changes: Any) -> "Queue":
        """A copy with other values."""
        return Queue(**{**{name: self[name] for name in self}, **changes})

    def after(self, step: str, now: datetime, **changes: Any) -> "Queue":
        """The place after a step that can be undone."""
        former = FormerPlace(step=step, left_at=now, **{name: self[name] for name in _PLACE})
        return self.changed(former=former, **changes)

    def undone(self) -> "Queue":
        """The place before the last step, which cannot be undone a second time."""
        return self.changed(former=None, **{name: self.former[name] for name in _PLACE})
