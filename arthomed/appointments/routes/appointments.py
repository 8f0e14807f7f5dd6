"""Routes of appointments, and of changes of users that affect appointments."""

from typing import Any

from bson import ObjectId
from flask import Response

from arthomed.appointments import examples
from arthomed.appointments.models import Appointment
from arthomed.appointments.schemas import (
    AccountOut,
    AppointmentOut,
    AppointmentQuery,
    AppointmentStatsOut,
    BookAppointment,
    CancelAppointment,
    CancelledOut,
    ChangeStatus,
    EditAppointment,
    IdempotencyHeaders,
    OwnAppointmentsQuery,
    RecordOut,
    SetActive,
    StatsQuery,
    UploadToAppointment,
)
from arthomed.appointments.service import attachments as attachment_service
from arthomed.appointments.service import booking, queries, staff, transitions
from arthomed.appointments.service.attempts import BookingDetails
from arthomed.core.downloads import content_disposition
from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.files.rules import Category
from arthomed.files.schemas import UploadedOut
from arthomed.files.service.uploading import Upload
from arthomed.http import files
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.cache import cached
from arthomed.http.limits import limit_bookings, limit_uploads
from arthomed.http.schema import PageQuery, example_of, page_of
from arthomed.users.models import User
from arthomed.users.schemas import UpdateUser

_CALENDAR = "text/calendar"

blueprint = Blueprint("appointments", __name__, url_prefix="/api/appointments", description="Appointments.")
attachments = Blueprint("attachments", __name__, url_prefix="/api/files", description="Medical files and pictures.")
accounts = Blueprint("accounts", __name__, url_prefix="/api", description="Changing users' accounts.")


@blueprint.post("/book")
@limit_bookings
@limit_uploads
@requires(Permission.APPOINTMENT_BOOK)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(BookAppointment, files="images")
@blueprint.response(201, AppointmentOut, name="appointment", description="Appointment booked successfully")
@blueprint.refuses(Code.SLOT_UNAVAILABLE, Code.DUPLICATE_VALUE, Code.BOOKING_LIMIT_REACHED, Code.IDEMPOTENCY_KEY_REUSED)
def book(headers: dict[str, Any], body: dict[str, Any]) -> Appointment:
    """Book an appointment.

    One books for oneself; the appointment is pending until the clinic confirms it, and holds its slot from now on.
    `SLOT_UNAVAILABLE` comes with the three nearest free slots in `error.alternatives`. Send an `Idempotency-Key` and
    repeat the request after a lost response: it stays one booking.
    """
    uploads = [Upload(*file) for file in files.uploaded_files("images")]
    category, details = Category(body.pop("category")), BookingDetails(**body)
    return booking.book(current_actor(), details, key=headers.get("key"), uploads=uploads, category=category)


@blueprint.get("/my-appointments")
@requires(Permission.APPOINTMENT_LIST_MINE)
@cached(shared=False)
@blueprint.arguments(OwnAppointmentsQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Appointments retrieved successfully")
def list_own(query: dict[str, Any]) -> Page[Appointment]:
    """List one's own appointments."""
    return queries.list_own(current_actor(), query.pop("paging"), **query)


@blueprint.get("")
@requires(Permission.APPOINTMENT_LIST)
@blueprint.arguments(AppointmentQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Appointments retrieved successfully")
def list_appointments(query: dict[str, Any]) -> Page[Appointment]:
    """List appointments; doctors see their own."""
    return queries.list_appointments(current_actor(), query.pop("paging"), **query)


@blueprint.get("/pending")
@requires(Permission.APPOINTMENT_LIST_PENDING)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Pending appointments retrieved successfully")
def list_pending(query: dict[str, Any]) -> Page[Appointment]:
    """List the appointments that wait for confirmation, the oldest request first."""
    return queries.list_pending(current_actor(), query["paging"])


@blueprint.get("/stats")
@requires(Permission.APPOINTMENT_STATS)
@blueprint.arguments(StatsQuery, location="query")
@blueprint.response(200, AppointmentStatsOut, description="Appointment statistics retrieved successfully")
def stats(query: dict[str, Any]) -> dict[str, Any]:
    """Count appointments by status; patients and doctors see their own.

    `startDate` and `endDate` select the appointments of these days, both included.
    """
    return queries.stats(current_actor(), **query)


@blueprint.get("/<object_id:appointment_id>")
@requires(Permission.APPOINTMENT_READ)
@blueprint.response(200, AppointmentOut, name="appointment", description="Appointment retrieved successfully")
def get(appointment_id: ObjectId) -> Appointment:
    """Read an appointment with its history.

    A receptionist gets neither `notes` nor `prescription`, and of `images` that others uploaded only name, category and
    size.
    """
    return queries.get(current_actor(), appointment_id)


@blueprint.get("/<object_id:appointment_id>/calendar.ics")
@requires(Permission.APPOINTMENT_CALENDAR)
@blueprint.gives(_CALENDAR, schema={"type": "string"}, description="One event of iCalendar")
def calendar_file(appointment_id: ObjectId) -> Response:
    """Fetch an appointment for one's calendar."""
    event = queries.to_ics(current_actor(), appointment_id)
    return Response(event, headers={"Content-Disposition": content_disposition("appointment.ics")}, mimetype=_CALENDAR)


@blueprint.put("/<object_id:appointment_id>")
@requires(Permission.APPOINTMENT_EDIT)
@blueprint.arguments(EditAppointment)
@blueprint.response(200, AppointmentOut, name="appointment", description="Appointment updated successfully")
@blueprint.refuses(Code.TOO_LATE)
def edit(changes: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Change the fields of an appointment that one's role may change.

    Patients: reason and symptoms, until the confirmation. Doctors: notes and prescription of their own appointments.
    Receptionists and admins: purpose and reason.
    """
    return queries.edit(current_actor(), appointment_id, changes)


@blueprint.put("/<object_id:appointment_id>/status")
@requires(Permission.APPOINTMENT_CHANGE_STATUS)
@blueprint.arguments(ChangeStatus)
@blueprint.response(
    200,
    AppointmentOut,
    name="appointment",
    description="Appointment status updated successfully",
    example=examples.CONFIRMED,
)
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION, Code.TOO_LATE, Code.SLOT_UNAVAILABLE, Code.DUPLICATE_VALUE)
def change_status(body: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Confirm, reject, start, complete or cancel an appointment, or mark it as a no-show.

    A consultation (`in-progress`) starts from one hour before its time until four hours after its end; that of a
    patient who has arrived, until 03:00 of the next day. A no-show can be undone (`confirmed`) within 24 hours. `notes`
    and `prescription` go with `completed`. Rejecting, and cancelling what is in progress, need a `reason`.
    """
    return transitions.change_status(current_actor(), appointment_id, body.pop("status"), **body)


@blueprint.put("/<object_id:appointment_id>/cancel")
@requires(Permission.APPOINTMENT_CANCEL)
@blueprint.arguments(CancelAppointment, required=False)
@blueprint.response(200, CancelledOut, description="Appointment cancelled successfully", example=examples.CANCELLATION)
@blueprint.refuses(Code.INVALID_STATUS_TRANSITION, Code.TOO_LATE)
def cancel(body: dict[str, Any], appointment_id: ObjectId) -> dict[str, Any]:
    """Cancel an appointment and free its seat.

    Patients cancel a confirmed one until two hours before its time. `refundInfo` says what of a payment is due back:
    all from 24 hours before, half from 2 hours before, all when the clinic cancels.
    """
    appointment = transitions.cancel(current_actor(), appointment_id, reason=body.get("reason"))
    return {"appointment": appointment, "refund_info": appointment.cancellation}


@attachments.post("/upload/appointments")
@limit_uploads
@requires(Permission.FILES)
@attachments.arguments(UploadToAppointment, location="multipart", files="files")
@attachments.response(200, UploadedOut, description="Files uploaded successfully")
@attachments.refuses(Code.TOO_LATE)
def upload(form: dict[str, Any]) -> dict[str, Any]:
    """Add up to five files to an appointment.

    JPEG, PNG or PDF, 10 MB each. They are cleaned, and can be downloaded once they are scanned (`status` is `ready`).
    """
    uploads = [Upload(*file) for file in files.uploaded_files("files", required=True)]
    category = Category(form["category"])
    return {"uploaded_files": attachment_service.upload(current_actor(), form["appointment_id"], category, uploads)}


@accounts.get("/users/<object_id:user_id>")
@requires(Permission.USERS_READ)
@accounts.response(200, RecordOut, name="user", description="User retrieved successfully")
def get_user(user_id: ObjectId) -> User:
    """Read a user's record; doctors read those of their own patients.

    Own patients have an appointment with the doctor that is not pending, rejected or cancelled. `patientInfo`
    (allergies, history) is left out for receptionists.
    """
    return staff.read(current_actor(), user_id)


@accounts.put("/users/<object_id:user_id>")
@requires(Permission.USERS_MANAGE)
@accounts.arguments(UpdateUser, example=example_of(UpdateUser(), without="patient_info"))
@accounts.response(200, AccountOut, description="User updated successfully", example=examples.DOCTOR_ACCOUNT)
@accounts.refuses(Code.DUPLICATE_VALUE)
def update_user(changes: dict[str, Any], user_id: ObjectId) -> staff.Account:
    """Change a user's record; another role or number signs their devices out."""
    return staff.update(current_actor(), user_id, changes)


@accounts.delete("/users/<object_id:user_id>")
@requires(Permission.USERS_MANAGE)
@accounts.response(200, AccountOut, description="User deactivated successfully", example=examples.LEFT_DOCTOR)
def deactivate(user_id: ObjectId) -> staff.Account:
    """Deactivate a user and end their sessions."""
    return staff.set_active(current_actor(), user_id, is_active=False)


@accounts.put("/users/<object_id:user_id>/status")
@accounts.put("/admin/users/<object_id:user_id>/status", endpoint="set_active_as_admin")
@requires(Permission.USERS_MANAGE)
@accounts.arguments(SetActive)
@accounts.response(200, AccountOut, description="User status updated successfully", example=examples.LEFT_DOCTOR)
def set_active(body: dict[str, Any], user_id: ObjectId) -> staff.Account:
    """Activate or deactivate a user."""
    return staff.set_active(current_actor(), user_id, is_active=body["is_active"], reason=body["reason"])
