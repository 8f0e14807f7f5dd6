"""Keys of displays in waiting rooms."""

from bson import ObjectId
from mongoengine import EmbeddedDocumentListField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core.documents import ClinicDocument, ClinicEmbeddedDocument


class Room(ClinicEmbeddedDocument):
    """A room as the display calls it, and the doctor in it."""

    doctor = ObjectIdField(required=True)
    room = StringField(required=True)


class DisplayKey(ClinicDocument):
    """A secret key with which a display reads the queues of some rooms. Only its keyed digest is stored."""

    meta = {"collection": "display_keys"}

    name = StringField(required=True)
    digest = StringField(required=True)
    rooms = EmbeddedDocumentListField(Room)
    created_by = ObjectIdField(db_field="createdBy", required=True)

    @classmethod
    def revoke(cls, key_id: ObjectId, session: ClientSession) -> bool:
        """Delete a key; False if there is none."""
        return cls.collection().delete_one({"_id": key_id}, session=session).deleted_count == 1
