"""The `dependents` collection: family members who have no mobile number of their own."""

from collections.abc import Iterable

from bson import ObjectId
from mongoengine import BooleanField, DateTimeField, ObjectIdField, StringField
from pymongo.client_session import ClientSession

from arthomed.core.documents import ClinicDocument, Raw

FORMER_NAME = "Former family member"


class Dependent(ClinicDocument):
    """A family member of the user `owner`, whose mobile number the family books with.

    A member is inactive after being removed from the family, whose appointments still name them, or after getting a
    mobile number: `claimed_by` is the patient of that number, and nothing else is left of the member.
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
    def same_as(cls, member: "Dependent", session: ClientSession) -> "list[Dependent]":
        """Others of a family, active ones first, who may be a member: same name, and no other date of birth."""
        family = cls.find_all({"owner": member.owner, "claimedBy": None}, session)
        same = [one for one in family if one.id != member.id and one.may_be(member)]
        return sorted(same, key=lambda one: not one.is_active)

    def may_be(self, other: "Dependent") -> bool:
        """Whether this may be the same person, as far as name and date of birth are known."""
        born = {self.date_of_birth, other.date_of_birth} - {None}
        return bool(self.name.casefold() == other.name.casefold() and len(born) < 2)  # noqa: PLR2004  two different dates

    def forget(self) -> None:
        """Remove what is stored about the member."""
        self.name, self.relationship, self.date_of_birth, self.gender = FORMER_NAME, None, None, None

    @classmethod
    def anonymise(cls, owner: ObjectId, name: str | None, *, session: ClientSession) -> None:
        """Make a family inactive; with `name`, remove what is stored about its members, who are then called so."""
        update: Raw = {"$set": {"isActive": False}}
        if name is not None:
            update["$set"]["name"] = name
            update["$unset"] = {"relationship": "", "dateOfBirth": "", "gender": ""}
        cls.collection().update_many({"owner": owner}, update, session=session)
