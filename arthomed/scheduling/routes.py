"""HTTP routes for doctors, their weekly hours and their slots."""

from typing import Any

from bson import ObjectId

from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.cache import cached
from arthomed.http.schema import page_of
from arthomed.scheduling import service
from arthomed.scheduling.schemas import (
    AvailabilityOut,
    AvailabilityQuery,
    DaySlotsOut,
    DoctorsQuery,
    SavedScheduleOut,
    SaveSchedule,
    SlotQuery,
)
from arthomed.users import service as users
from arthomed.users.models import User
from arthomed.users.schemas import DoctorOut

doctors = Blueprint("doctors", __name__, url_prefix="/api/users/doctors", description="Doctors and their weekly hours.")
slots = Blueprint("slots", __name__, url_prefix="/api/appointments/slots", description="Bookable slots.")


@doctors.get("")
@requires(Permission.DOCTORS_READ)
@cached(shared=True)
@doctors.arguments(DoctorsQuery, location="query")
@doctors.response(200, page_of(DoctorOut), description="Doctors retrieved successfully")
@doctors.alt_response(304, description="The client has the present list")
def list_doctors(query: dict[str, Any]) -> Page[User]:
    """List doctors who can be booked."""
    return service.list_doctors(query.pop("paging"), on=query.pop("date", None), **query)


@doctors.get("/<object_id:doctor_id>")
@requires(Permission.DOCTORS_READ)
@doctors.response(200, DoctorOut, name="doctor", description="Doctor retrieved successfully")
def get_doctor(doctor_id: ObjectId) -> User:
    """Read a doctor's public profile and weekly hours."""
    return users.get_bookable_doctor(doctor_id)


@doctors.get("/<object_id:doctor_id>/availability")
@requires(Permission.DOCTORS_READ)
@doctors.arguments(AvailabilityQuery, location="query")
@doctors.response(200, AvailabilityOut, description="Availability retrieved successfully")
def availability(query: dict[str, Any], doctor_id: ObjectId) -> dict[str, Any]:
    """Count a doctor's free and total slots of each day."""
    return {"days": service.availability(doctor_id, query["first"], query["last"])}


@doctors.put("/<object_id:doctor_id>/schedule")
@requires(Permission.SCHEDULE_WRITE)
@doctors.arguments(SaveSchedule)
@doctors.response(200, SavedScheduleOut, description="Schedule saved successfully")
def save_schedule(body: dict[str, Any], doctor_id: ObjectId) -> service.SavedSchedule:
    """Replace a doctor's weekly hours. Free slots change at once; booked slots stay, conflicts are listed."""
    return service.save_schedule(current_actor(), doctor_id, body["schedule"])


@slots.get("")
@requires(Permission.SLOTS_READ)
@cached(shared=True)
@slots.arguments(SlotQuery, location="query")
@slots.response(200, DaySlotsOut, description="Available slots retrieved successfully")
@slots.alt_response(304, description="The client has the present slots")
def slots_of_day(query: dict[str, Any]) -> service.DaySlots:
    """Read a doctor's free and booked slots of one day."""
    return service.slots_of_day(query["doctor_id"], query["date"])
