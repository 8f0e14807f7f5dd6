"""The `dependents` collection: family members who have no mobile number of their own."""

from collections.abc import Iterable

from bson import ObjectId
from mongoengine import BooleanField, DateTimeField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core.documents import ClinicDocument, Raw

IGNORING_CASE = {"locale": "en", "strength": 2}
"""The collation of `dependent_once` (migration 0024): a family has each name once, with the same date of birth."""


class Dependent(ClinicDocument):
    """A family member of the user `owner`, whose mobile number the family books with.

    A member is inactive after being removed from the family, or after getting a mobile number (`claimed_by` is the
    patient of that number). Appointments of a removed member still name them.
    """

    meta = {"collection": "dependents"}

    owner = ObjectIdField(required=True)
    name = StringField(required=True)
    relationship = StringField()
    date_of_birth = DateTimeField(db_field="dateOfBirth")
    gender = StringField()
    is_active = BooleanField(db_field="isActive", required=True, default=True)
    claimed_by = ObjectIdField(db_field="claimedBy")

    @classmethod
    def by_id(cls, ids: Iterable[ObjectId], session: ClientSession | None = None) -> "dict[ObjectId, Dependent]":
        """Members by their ids, active or not, in one query; in none without ids, as most appointments have none."""
        wanted = list(set(ids))
        found = cls.collection().find({"_id": {"$in": wanted}}, session=session) if wanted else ()
        return {raw["_id"]: cls.from_raw(raw) for raw in found}

    @classmethod
    def same_as(cls, member: "Dependent", session: ClientSession) -> "Dependent | None":
        """The active member of a family with the same name and date of birth."""
        same: Raw = {"owner": member.owner, "name": member.name, "dateOfBirth": member.date_of_birth, "isActive": True}
        found: Dependent | None = cls.find_one(same, session, collation=IGNORING_CASE)
        return found

    @classmethod
    def anonymise(cls, owner: ObjectId, name: str | None, *, session: ClientSession) -> None:
        """Make a family inactive; with `name`, remove what is stored about its members, who are then called so."""
        update: Raw = {"$set": {"isActive": False}}
        if name is not None:
            update["$set"]["name"] = name
            update["$unset"] = {"relationship": "", "dateOfBirth": "", "gender": ""}
        cls.collection().update_many({"owner": owner}, update, session=session)
