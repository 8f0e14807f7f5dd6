"""The audit trail. The application only appends to it."""

from collections.abc import Sequence
from enum import StrEnum

from mongoengine import (
    DateTimeField,
    DictField,
    EmbeddedDocumentField,
    EnumField,
    IntField,
    ListField,
    ObjectIdField,
    StringField,
)
from pymongo.client_session import ClientSession

from arthomed.core.documents import ClinicEmbeddedDocument, PlainDocument
from arthomed.core.permissions import Role


class Action(StrEnum):
    READ = "read"
    SEARCH = "search"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"


class Kind(StrEnum):
    """The kind of the records."""

    USER = "user"
    SCHEDULE = "schedule"
    SLOT = "slot"
    APPOINTMENT = "appointment"
    SESSION = "session"
    AUDIT_TRAIL = "audit-trail"
    EXPORT = "export"
    FILE = "file"
    MESSAGE = "message"
    DISPLAY_KEY = "display-key"
    PAYMENT = "payment"
    DEPENDENT = "dependent"


class Search(ClinicEmbeddedDocument):
    """What a user searched for: filters by their names in the API, words as typed; and how many records matched."""

    filters = DictField()
    found = IntField(required=True)


class AuditEvent(PlainDocument):
    """One access of a user (`actor`) to `records` about people (`subjects`), or a search for them.

    `actor` is empty when the system acted. `changes` holds `{"field", "from", "to"}` for each stored field that
    changed; a nested field is named by its dotted path. The subjects of a search are those whom a filter names by id:
    words may mean anybody. MongoDB removes an event after three years.
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
    search = EmbeddedDocumentField(Search)

    @classmethod
    def insert_all(cls, events: "Sequence[AuditEvent]", session: ClientSession | None) -> None:
        cls.collection().insert_many([event.to_mongo() for event in events], session=session)
