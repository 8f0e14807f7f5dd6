"""Visits over HTTP, and those changes of people that reach visits."""

from typing import Any

from bson import ObjectId
from flask import Response

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
    MineQuery,
    SetActive,
    UploadToVisit,
)
from arthomed.appointments.service import attachments as attaching
from arthomed.appointments.service import booking, reading, staff, transitions
from arthomed.core.documents import Raw
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.core.reading import Reading
from arthomed.files.rules import Category
from arthomed.files.schemas import UploadedOut
from arthomed.files.service.uploading import Upload
from arthomed.http import files
from arthomed.http.auth import claimed_user, current_actor, reads, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import Budget, limited
from arthomed.http.schema import PageQuery, example_of, page_of
from arthomed.users.schemas import UpdateUser

_CALENDAR, _ICS = "text/calendar", {"type": "string"}

blueprint = Blueprint("appointments", __name__, url_prefix="/api/appointments", description="Visits.")
attachments = Blueprint("attachments", __name__, url_prefix="/api/files", description="Medical files and pictures.")
accounts = Blueprint("accounts", __name__, url_prefix="/api", description="Changing people's accounts.")


@blueprint.post("/book")
@requires(Permission.APPOINTMENT_BOOK)
@limited(Budget.BOOKING)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.arguments(BookAppointment, files="images")
@blueprint.response(201, AppointmentOut, name="appointment", description="Appointment booked successfully", is_hot=True)
@blueprint.alt_response(404, "NOT_FOUND")
@blueprint.alt_response(422, "UNPROCESSABLE_ENTITY")
def book(headers: dict[str, Any], body: dict[str, Any]) -> booking.Told:
    """Book a visit."""
    uploads = [Upload(*one) for one in files.uploaded_files("images")]
    return booking.book(current_actor(), booking.Wish(**body), key=headers.get("key"), uploads=uploads)


@blueprint.get("/my-appointments")
@reads(Permission.APPOINTMENT_LIST_MINE)
@blueprint.arguments(MineQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Appointments retrieved successfully")
def mine(query: dict[str, Any]) -> Reading[Page[Raw]]:
    """List one's own visits."""
    return reading.mine(claimed_user(), query.pop("paging"), **query)


@blueprint.get("")
@requires(Permission.APPOINTMENT_LIST)
@blueprint.arguments(AppointmentQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Appointments retrieved successfully")
def list_visits(query: dict[str, Any]) -> Page[Appointment]:
    """List visits; doctors see their own."""
    return reading.list_visits(current_actor(), query.pop("paging"), **query)


@blueprint.get("/pending")
@requires(Permission.APPOINTMENT_LIST_PENDING)
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, page_of(AppointmentOut), description="Pending appointments retrieved successfully")
def pending(query: dict[str, Any]) -> Page[Appointment]:
    """List what waits to be confirmed, the oldest request first."""
    return reading.list_pending(current_actor(), query["paging"])


@blueprint.get("/stats")
@requires(Permission.APPOINTMENT_STATS)
@blueprint.response(200, AppointmentStatsOut, description="Appointment statistics retrieved successfully")
def stats() -> dict[str, Any]:
    """Count visits by status; patients and doctors see their own."""
    return reading.stats(current_actor())


@blueprint.get("/<object_id:appointment_id>")
@requires(Permission.APPOINTMENT_READ)
@blueprint.response(200, AppointmentOut, name="appointment", description="Appointment retrieved successfully")
def get(appointment_id: ObjectId) -> Appointment:
    """Read a visit with its history."""
    return reading.get(current_actor(), appointment_id)


@blueprint.get("/<object_id:appointment_id>/calendar.ics")
@requires(Permission.APPOINTMENT_CALENDAR)
@blueprint.alt_response(200, schema=_ICS, content_type=_CALENDAR, description="One event of iCalendar", success=True)
def event(appointment_id: ObjectId) -> Response:
    """Fetch a visit for one's calendar."""
    found = reading.event(current_actor(), appointment_id)
    return Response(found, headers={"Content-Disposition": 'attachment; filename="visit.ics"'}, mimetype=_CALENDAR)


@blueprint.put("/<object_id:appointment_id>")
@requires(Permission.APPOINTMENT_EDIT)
@blueprint.arguments(EditAppointment)
@blueprint.response(200, AppointmentOut, name="appointment", description="Appointment updated successfully")
def edit(changes: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Change what one's role may change about a visit."""
    return reading.edit(current_actor(), appointment_id, changes)


@blueprint.put("/<object_id:appointment_id>/status")
@requires(Permission.APPOINTMENT_CHANGE_STATUS)
@blueprint.arguments(ChangeStatus)
@blueprint.response(200, AppointmentOut, name="appointment", description="Appointment status updated successfully")
def change_status(body: dict[str, Any], appointment_id: ObjectId) -> Appointment:
    """Confirm, reject, start, complete, cancel a visit, or note a no-show."""
    return transitions.change_status(current_actor(), appointment_id, body.pop("status"), **body)


@blueprint.put("/<object_id:appointment_id>/cancel")
@requires(Permission.APPOINTMENT_CANCEL)
@blueprint.arguments(CancelAppointment, required=False)
@blueprint.response(200, CancelledOut, description="Appointment cancelled successfully")
def cancel(body: dict[str, Any], appointment_id: ObjectId) -> dict[str, Any]:
    """Cancel a visit and free its seat."""
    appointment = transitions.cancel(current_actor(), appointment_id, reason=body.get("reason"))
    return {"appointment": appointment, "refund_info": appointment.cancellation}


@attachments.post("/upload/appointments")
@requires(Permission.FILES)
@limited(Budget.UPLOAD)
@attachments.arguments(UploadToVisit, location="multipart", files="files")
@attachments.response(200, UploadedOut, description="Files uploaded successfully")
def upload(form: dict[str, Any]) -> dict[str, Any]:
    """Add up to five files to a visit."""
    uploads = [Upload(*one) for one in files.uploaded_files("files", required=True)]
    category = Category(form["category"])
    return {"uploaded_files": attaching.upload(current_actor(), form["appointment_id"], category, uploads)}


@accounts.put("/users/<object_id:user_id>")
@requires(Permission.USERS_MANAGE)
@accounts.arguments(UpdateUser, example=example_of(UpdateUser(), without="patient_info"))
@accounts.response(200, AccountOut, description="User updated successfully")
def update_user(changes: dict[str, Any], user_id: ObjectId) -> staff.Account:
    """Change a person's record; another role or number signs their devices out."""
    return staff.update(current_actor(), user_id, changes)


@accounts.delete("/users/<object_id:user_id>")
@requires(Permission.USERS_MANAGE)
@accounts.response(200, AccountOut, description="User deactivated successfully")
def deactivate(user_id: ObjectId) -> staff.Account:
    """Deactivate a person and end their sessions."""
    return staff.set_active(current_actor(), user_id, is_active=False)


@accounts.put("/users/<object_id:user_id>/status")
@accounts.put("/admin/users/<object_id:user_id>/status", endpoint="set_active_as_admin")
@requires(Permission.USERS_MANAGE)
@accounts.arguments(SetActive)
@accounts.response(200, AccountOut, description="User status updated successfully")
def set_active(body: dict[str, Any], user_id: ObjectId) -> staff.Account:
    """Activate or deactivate a person."""
    return staff.set_active(current_actor(), user_id, is_active=body["is_active"], reason=body["reason"])
