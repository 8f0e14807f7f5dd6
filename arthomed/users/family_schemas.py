"""Schemas of families, in and out."""

from marshmallow import fields

from arthomed.http.schema import Changes, Day, Id, Schema, Text
from arthomed.users.fields import Gender, Name, PastDay

_NAME, _BORN = {"example": "Aarav Verma"}, {"example": "2018-06-30"}
_RELATIONSHIP, _GENDER = {"example": "son"}, {"example": "male"}


class AddDependent(Schema):
    name = Name(required=True, metadata=_NAME)
    relationship = Text(required=True, max_length=50, metadata=_RELATIONSHIP)
    date_of_birth = PastDay(metadata=_BORN)
    gender = Gender(metadata=_GENDER)


class UpdateDependent(Changes):
    """Merged into a family member's record; null clears a field."""

    name = Name(metadata=_NAME)
    relationship = Text(max_length=50, metadata=_RELATIONSHIP)
    date_of_birth = PastDay(allow_none=True, metadata=_BORN)
    gender = Gender(allow_none=True, metadata=_GENDER)


class DependentOut(Schema):
    """A family member who has no mobile number of their own."""

    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata=_NAME)
    relationship = fields.String(required=True, allow_none=True, metadata=_RELATIONSHIP)
    date_of_birth = Day(required=True, allow_none=True, metadata=_BORN)
    gender = fields.String(required=True, allow_none=True, metadata=_GENDER)


class DependentsOut(Schema):
    dependents = fields.List(fields.Nested(DependentOut), required=True)


class AddedOut(Schema):
    dependent = fields.Nested(DependentOut, required=True)
