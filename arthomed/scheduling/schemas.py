"""Request and response schemas of weekly hours and slots."""

from marshmallow import fields
from marshmallow.validate import Length, OneOf

from arthomed.http.schema import Day, EndTime, Flag, Id, PageQuery, Schema, Text, TimeOfDay, example_of, integer
from arthomed.scheduling.rules import WEEK
from arthomed.users.schemas import DoctorOut

_MAX_RANGES = 50
_MAX_PATIENTS = 50


class DoctorsQuery(PageQuery):
    specialization = Text(max_length=100, metadata={"example": "Cardiology"})
    search = Text(
        max_length=100, metadata={"description": "The beginnings of the words of a doctor's name, in any order."}
    )
    date = Day(metadata={"description": "Only doctors with a free slot on this day."})


class SlotQuery(Schema):
    doctor_id = Id(required=True)
    date = Day(required=True)


class AvailabilityQuery(Schema):
    first = Day(required=True, data_key="from")
    last = Day(required=True, data_key="to", metadata={"example": "2026-12-31"})


class HoursPart(Schema):
    day = fields.String(required=True, validate=OneOf(list(map(str, WEEK))), metadata={"example": "monday"})
    start_time = TimeOfDay(required=True, metadata={"example": "09:00"})
    end_time = EndTime(required=True)
    is_available = Flag(load_default=True, metadata={"example": True})
    max_patients = integer(
        1, _MAX_PATIENTS, load_default=1, metadata={"example": 1, "description": "Patients in each slot."}
    )


class SaveSchedule(Schema):
    """All weekly hours of a doctor. A day may have several ranges."""

    schedule = fields.List(fields.Nested(HoursPart), required=True, validate=Length(0, _MAX_RANGES))


class SlotOut(Schema):
    """A slot without the patients who booked it."""

    _id = Id(attribute="id", data_key="_id", required=True)
    start_time = TimeOfDay(required=True)
    end_time = EndTime(required=True, metadata={"example": "10:00"})
    is_available = fields.Boolean(required=True, metadata={"example": True})
    consultation_fee = fields.Integer(required=True, metadata={"example": 500})
    max_patients = fields.Integer(required=True, metadata={"example": 1})
    booked_patients = fields.Integer(required=True, metadata={"example": 0})


_BOOKED_SLOT = {
    **example_of(SlotOut()),
    "startTime": "10:00",
    "endTime": "10:30",
    "isAvailable": False,
    "bookedPatients": 1,
}


class DaySlotsOut(Schema):
    doctor = fields.Nested(DoctorOut, required=True)
    date = Day(required=True)
    available_slots = fields.List(fields.Nested(SlotOut), required=True)
    booked_slots = fields.List(fields.Nested(SlotOut), required=True, metadata={"example": [_BOOKED_SLOT]})


class DayCountOut(Schema):
    date = Day(required=True)
    free = fields.Integer(required=True, metadata={"example": 7})
    total = fields.Integer(required=True, metadata={"example": 16})


class AvailabilityOut(Schema):
    days = fields.List(fields.Nested(DayCountOut), required=True)


class ConflictOut(Schema):
    slot_id = Id(attribute="id", required=True)
    date = Day(required=True)
    start_time = TimeOfDay(required=True)
    end_time = EndTime(required=True, metadata={"example": "10:00"})
    booked_patients = fields.Integer(attribute="bookings", required=True, metadata={"example": 1})


class SavedScheduleOut(Schema):
    doctor = fields.Nested(DoctorOut, required=True)
    conflicts = fields.List(fields.Nested(ConflictOut), required=True)
