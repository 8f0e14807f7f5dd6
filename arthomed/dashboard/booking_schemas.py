"""The form of a new appointment; its fields are those of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
from bson import ObjectId
from marshmallow import fields
from marshmallow.validate import Length

from arthomed.appointments.schemas import reason_text
from arthomed.appointments.service.desk import DeskBooking
from arthomed.dashboard.times import CHOOSE_TIME, Chosen, ChosenTime
from arthomed.http.schema import Day, Id, Pattern, Schema, Text, TimeOfDay
from arthomed.users.fields import Age, Gender, Mobile, Name, PastDay

SELF, NEW_MEMBER = "self", "new"
CHOOSE_PERSON = "Please choose the person."
_PURPOSE = "consultation"
_MISSING = "Missing data for required field."


class LookUp(Schema):
    """What is typed about somebody; or who was chosen of those found."""

    who = Text(max_length=100)
    patient_id = Id()


class FindCaller(Schema):
    mobile_number = Mobile(required=True)


class NewPatient(Schema):
    mobile_number = Mobile(required=True)
    name = Name(required=True)


class AskWhy(Schema):
    asked_doctor = Id(required=True)
    asked_date = Day(required=True)
    asked_time = TimeOfDay(required=True)


@dataclass(frozen=True, slots=True)
class Command:
    """What the form asks for."""

    booking: DeskBooking
    new_member: Mapping[str, Any] | None
    key: str


class KeyedForm(Schema):
    """A form that books once, however often it is sent; the time that it chooses."""

    key = fields.String(required=True, validate=[Length(8, 128), Pattern(r"^[!-~]+$")])
    when = ChosenTime(required=True, error_messages={"required": CHOOSE_TIME})


class MoveForm(KeyedForm):
    @ma.validates("when")
    def require_time(self, chosen: Chosen, **_: object) -> None:
        if chosen.day is None:
            raise ma.ValidationError(CHOOSE_TIME)


class BookingForm(KeyedForm):
    """A patient, or a number and a name; the person whom it is for, and what is known of somebody new."""

    mobile_number = Mobile(required=True)
    patient_id = Id()
    name = Name()
    person = fields.String(required=True, error_messages={"required": CHOOSE_PERSON})
    member_name = Name()
    relationship = Text(max_length=50)
    date_of_birth = PastDay()
    age = Age()
    gender = Gender()
    reason = reason_text()

    @ma.validates_schema
    def require_names(self, loaded: dict[str, Any], **_: object) -> None:
        wanted = [] if "patient_id" in loaded else ["name"]
        if loaded["person"] == NEW_MEMBER:
            wanted += ["member_name", "relationship"]
        missing = [str(self.fields[name].data_key) for name in wanted if name not in loaded]
        if missing:
            raise ma.ValidationError({name: [_MISSING] for name in missing})

    @ma.post_load
    def to_command(self, loaded: dict[str, Any], **_: object) -> Command:
        patient, person, when = loaded.get("patient_id"), loaded["person"], loaded["when"]
        booking = DeskBooking(
            doctor_id=when.doctor_id,
            purpose_of_visit=_PURPOSE,
            patient_id=patient,
            mobile_number=None if patient else loaded["mobile_number"],
            name=None if patient else loaded.get("name"),
            appointment_date=when.day,
            appointment_time=when.hhmm,
            reason=loaded.get("reason"),
            dependent_id=ObjectId(person) if ObjectId.is_valid(person) else None,
            profile=_details(loaded) or None if not patient and person == SELF else None,
        )
        return Command(booking, _new_member(loaded) if person == NEW_MEMBER else None, loaded["key"])


def _new_member(loaded: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": loaded["member_name"], "relationship": loaded["relationship"], **_details(loaded)}


def _details(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Date of birth and sex of somebody new; an age is stored as a date of birth."""
    known = {name: loaded[name] for name in ("date_of_birth", "gender") if name in loaded}
    born = {"date_of_birth": loaded["age"]} if "age" in loaded else {}
    return {**born, **known}
