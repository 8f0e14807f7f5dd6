"""Schemas of appointments, in and out."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments import access
from arthomed.appointments.models import Appointment
from arthomed.appointments.queue_schemas import QueueOut
from arthomed.appointments.rules import Source, Status
from arthomed.files.models import File
from arthomed.files.rules import Category
from arthomed.files.schemas import FileOut
from arthomed.http.auth import reader
from arthomed.http.schema import Changes, Day, EndTime, Flag, Id, Instant, PageQuery, Pattern, Schema, Text, TimeOfDay
from arthomed.users.family_schemas import DependentOut
from arthomed.users.models import User
from arthomed.users.schemas import UserOut

_STATUSES = tuple(map(str, Status))
_NOT_FOR_RECEPTION = {"description": "Left out for a receptionist."}


def reason_text(**kwargs: object) -> Text:
    return Text(max_length=500, multiline=True, metadata={"example": "Headache for a week"}, **kwargs)  # type: ignore[arg-type]


def _symptoms(**kwargs: object) -> Text:
    return Text(max_length=1000, multiline=True, metadata={"example": "Worse in the evening"}, **kwargs)  # type: ignore[arg-type]


def findings_text(example: str, **kwargs: object) -> Text:
    return Text(max_length=5000, multiline=True, metadata={"example": example}, **kwargs)  # type: ignore[arg-type]


def purpose_text(**kwargs: object) -> Text:
    return Text(max_length=100, metadata={"example": "consultation"}, **kwargs)  # type: ignore[arg-type]


def _category(**kwargs: object) -> fields.String:
    return fields.String(
        validate=OneOf([str(Category.PRESCRIPTIONS), str(Category.REPORTS)]),
        metadata={"example": "reports", "description": "What the files are."},
        **kwargs,  # type: ignore[arg-type]
    )


_OF_FAMILY = {"in_example": False, "description": "The family member whom the appointment is for."}


class BookAppointment(Schema):
    doctor_id = Id(required=True)
    dependent_id = Id(metadata=_OF_FAMILY)
    appointment_date = Day(required=True)
    appointment_time = TimeOfDay(required=True)
    purpose_of_visit = purpose_text(load_default="consultation")
    reason = reason_text(required=True)
    symptoms = _symptoms()
    category = _category(load_default=str(Category.REPORTS))


class IdempotencyHeaders(Schema):
    """The header of draft-ietf-httpapi-idempotency-key-header."""

    key = fields.String(
        data_key="Idempotency-Key",
        validate=[ma.validate.Length(8, 128), Pattern(r"^[!-~]+$", error="Must be visible ASCII.")],
        metadata={
            "example": "5f0c7a52-9c0e-4a6e-8f0b-1d2e3c4b5a69",
            "description": "Send the request again with the same key within 24 hours, and it is still done only once.",
        },
    )


class UploadToAppointment(Schema):
    appointment_id = Id(required=True)
    category = _category(required=True)


class EditAppointment(Changes):
    """Each role may edit some of these fields (`access.EDITABLE`)."""

    reason = reason_text()
    symptoms = _symptoms(allow_none=True)
    purpose_of_visit = purpose_text(allow_none=True)
    notes = findings_text("Blood pressure 120/80", allow_none=True)
    prescription = findings_text("Paracetamol 500 mg, twice a day", allow_none=True)


class ChangeStatus(Schema):
    status = fields.String(required=True, validate=OneOf(_STATUSES), metadata={"example": "confirmed"})
    reason = reason_text()
    notes = findings_text("Blood pressure 120/80")
    prescription = findings_text("Paracetamol 500 mg, twice a day")

    @ma.post_load
    def to_status(self, loaded: dict[str, object], **_: object) -> dict[str, object]:
        return {**loaded, "status": Status(str(loaded["status"]))}


class CancelAppointment(Schema):
    reason = reason_text()


class OwnAppointmentsQuery(PageQuery):
    status = fields.String(validate=OneOf(_STATUSES), metadata={"example": "confirmed"})
    start_date = Day()
    end_date = Day(metadata={"example": "2026-12-31"})
    when = fields.String(validate=OneOf(["upcoming", "past"]), metadata={"example": "upcoming"})
    dependent_id = Id(metadata={"description": "Only appointments for this family member."})


class AppointmentQuery(OwnAppointmentsQuery):
    doctor_id = Id()
    patient_id = Id()

    @ma.validates_schema
    def require_patient_of_dependent(self, loaded: dict[str, object], **_: object) -> None:
        if "dependent_id" in loaded and "patient_id" not in loaded:
            raise ma.ValidationError("Only with the `patientId` of the family.", "dependentId")


class StatsQuery(Schema):
    start_date = Day(metadata={"description": "Only appointments from this day on."})
    end_date = Day(metadata={"example": "2026-12-31", "description": "Only appointments until this day."})


class SetActive(Schema):
    is_active = Flag(required=True, metadata={"example": False})
    reason = reason_text(required=True)


class PatientPartOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Asha Verma"})
    mobile_number = fields.String(required=True, metadata={"example": "9876543210"})


class DoctorInfoPartOut(Schema):
    specialization = fields.String(allow_none=True, metadata={"example": "Cardiology"})
    consultation_fee = fields.Integer(metadata={"example": 500})


class DoctorPartOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Dr Meera Iyer"})
    doctor_info = fields.Nested(DoctorInfoPartOut, required=True)


class PaymentInfoOut(Schema):
    amount = fields.Integer(required=True, metadata={"example": 500, "description": "The fee in whole rupees."})
    status = fields.String(
        required=True,
        metadata={"example": "pending", "description": "`pending`, `paid`, `partially-refunded` or `refunded`."},
    )
    paid_amount = fields.Integer(
        required=True, metadata={"example": 0, "description": "What is paid and not refunded, in whole rupees."}
    )


class RefundOut(Schema):
    refund_amount = fields.Integer(required=True, metadata={"example": 0, "description": "Whole rupees."})
    refund_status = fields.String(
        required=True,
        metadata={"example": "none", "description": "`none` when nothing was paid, else `pending` or `refunded`."},
    )
    refund_date = Instant(required=True, allow_none=True, metadata={"example": None})


class CancellationOut(RefundOut):
    by = Id(required=True, allow_none=True)
    at = Instant(required=True)
    reason = fields.String(required=True, allow_none=True, metadata={"example": "I have recovered"})


class DoctorAndTimeOut(Schema):
    doctor = Id(required=True)
    starts_at = Instant(required=True, metadata={"example": "2026-12-01T04:00:00.000Z"})


_MOVED = {"example": None, "description": "Only of a change of the time or the doctor, which keeps the status."}


class ChangeOut(Schema):
    source = fields.String(data_key="from", required=True, allow_none=True, metadata={"example": None})
    target = fields.String(data_key="to", required=True, metadata={"example": "pending"})
    by = Id(required=True, allow_none=True, metadata={"description": "Empty when the system acted."})
    at = Instant(required=True)
    reason = fields.String(required=True, allow_none=True)
    moved_from = fields.Nested(DoctorAndTimeOut, required=True, allow_none=True, metadata=_MOVED)
    moved_to = fields.Nested(DoctorAndTimeOut, required=True, allow_none=True, metadata=_MOVED)


class ImageOut(FileOut):
    """A file of an appointment. A receptionist gets only its name, category and size, unless they uploaded it."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.required = field_name in access.IMAGE_PARTS_FOR_RECEPTION

    @ma.post_dump(pass_original=True)
    def for_reader(self, dumped: dict[str, Any], file: File, **_: object) -> dict[str, Any]:
        if access.reads_file(file.owner, file.uploader, reader()):
            return dumped
        shown = {self.fields[name].data_key for name in access.IMAGE_PARTS_FOR_RECEPTION}
        return {key: value for key, value in dumped.items() if key in shown}


class AppointmentOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    patient = fields.Nested(PatientPartOut, required=True)
    dependent = fields.Nested(DependentOut, metadata={**_OF_FAMILY, "in_example": False})
    doctor = fields.Nested(DoctorPartOut, required=True)
    appointment_date = Day(required=True)
    appointment_time = EndTime(
        required=True,
        metadata={"example": "09:30", "description": "`24:00` is an overflow place after hours that end at midnight."},
    )
    starts_at = Instant(required=True, metadata={"example": "2026-12-01T04:00:00.000Z"})
    status = fields.String(required=True, metadata={"example": "pending"})
    source = fields.String(required=True, metadata={"example": "app", "description": f"One of {', '.join(Source)}."})
    queue = fields.Nested(
        QueueOut, attribute="in_queue", metadata={"in_example": False, "description": "Only of one who has a token."}
    )
    purpose_of_visit = fields.String(required=True, allow_none=True, metadata={"example": "consultation"})
    reason = fields.String(required=True, allow_none=True, metadata={"example": "Headache for a week"})
    symptoms = fields.String(required=True, allow_none=True, metadata={"example": "Worse in the evening"})
    notes = fields.String(allow_none=True, metadata=_NOT_FOR_RECEPTION)
    prescription = fields.String(allow_none=True, metadata=_NOT_FOR_RECEPTION)
    images = fields.List(fields.Nested(ImageOut), required=True)
    payment_info = fields.Nested(PaymentInfoOut, attribute="payment", required=True)
    cancellation = fields.Nested(
        CancellationOut,
        metadata={"in_example": False, "description": "Of a cancelled appointment, or a rejected one that was paid."},
    )
    history = fields.List(fields.Nested(ChangeOut), required=True)
    created_by = Id(required=True)
    created_at = Instant(required=True)
    updated_at = Instant(required=True)

    @ma.post_dump(pass_original=True)
    def for_reader(self, dumped: dict[str, Any], appointment: Appointment, **_: object) -> dict[str, Any]:
        """Leave out empty parts, and what the reception does not read."""
        hidden = (
            set() if access.reads_medical_record(appointment.patient_id, reader()) else access.HIDDEN_FROM_RECEPTION
        )
        hidden |= {name for name in ("dependent", "queue", "cancellation") if dumped[name] is None}
        return {key: value for key, value in dumped.items() if key not in hidden}


class RecordOut(UserOut):
    """A user's record for the clinic's staff; `patientInfo` is not for the reception."""

    @ma.post_dump(pass_original=True)
    def for_reader(self, dumped: dict[str, Any], user: User, **_: object) -> dict[str, Any]:
        hidden = set() if access.reads_medical_record(user.id, reader()) else {"patientInfo"}
        return {key: value for key, value in dumped.items() if key not in hidden}


class CancelledOut(Schema):
    appointment = fields.Nested(AppointmentOut, required=True)
    refund_info = fields.Nested(RefundOut, required=True)


class AppointmentStatsOut(Schema):
    total = fields.Integer(required=True, metadata={"example": 3})
    upcoming = fields.Integer(required=True, metadata={"example": 2})
    by_status = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"example": {"confirmed": 2, "completed": 1}},
    )


class AccountOut(Schema):
    user = fields.Nested(UserOut, required=True)
    upcoming_appointments = fields.List(
        fields.Nested(AppointmentOut),
        attribute="upcoming",
        required=True,
        metadata={
            "description": "Upcoming appointments of a doctor who can no longer be booked, for the clinic to settle."
        },
    )
