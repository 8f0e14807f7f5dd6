"""The audit trail. The application only appends to it."""

from collections.abc import Sequence
from enum import StrEnum

from mongoengine import DateTimeField, DictField, EnumField, ListField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core.documents import PlainDocument
from arthomed.core.permissions import Role


class Action(StrEnum):
    READ = "read"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


class Kind(StrEnum):
    """The kind of the records."""

    USER = "user"
    SCHEDULE = "schedule"
    APPOINTMENT = "appointment"
    SESSION = "session"
    AUDIT_TRAIL = "audit-trail"
    EXPORT = "export"
    FILE = "file"
    MESSAGE = "message"


class AuditEvent(PlainDocument):
    """One access of a user (`actor`) to `records` about people (`subjects`).

    `actor` is empty when the system acted. `changes` holds `{"field", "from", "to"}` for each stored field that
    changed; a nested field is named by its dotted path. MongoDB removes an event after three years.
    """

    meta = {"collection": "audit_events"}

    at = DateTimeField(required=True)
    actor = ObjectIdField()
    role = EnumField(Role)
    session = ObjectIdField()
    address = StringField()
    request_id = StringField(db_field="requestId")
    action = EnumField(Action, required=True)
    kind = EnumField(Kind, required=True)
    records = ListField(ObjectIdField())
    subjects = ListField(ObjectIdField())
    changes = ListField(DictField())

    @classmethod
    def insert_all(cls, events: "Sequence[AuditEvent]", session: ClientSession | None) -> None:
        cls.collection().insert_many([event.to_mongo() for event in events], session=session)
