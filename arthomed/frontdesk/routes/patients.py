"""Routes of patients at the desk."""

from typing import Any

from bson import ObjectId

from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.frontdesk.schemas.patients import (
    CreatePatient,
    PatientOut,
    PatientQuery,
    RegistrationOut,
    UpdatePatient,
)
from arthomed.frontdesk.service import patients
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint, WithMessage
from arthomed.http.envelope import envelope_of
from arthomed.http.limits import subscriber
from arthomed.http.refusals import OF_GUESSES
from arthomed.http.schema import example_of, page_of
from arthomed.users.models import User
from arthomed.users.patients import Registration, register
from arthomed.users.schemas import FoundPatientOut

blueprint = Blueprint("patients", __name__, url_prefix="/api/patients", description="Patients at the front desk.")

_EXISTING = "The number is registered already"


@blueprint.get("")
@requires(Permission.PATIENTS_READ)
@blueprint.arguments(PatientQuery, location="query")
@blueprint.response(200, page_of(FoundPatientOut), description="Patients retrieved successfully")
def search(query: dict[str, Any]) -> Page[User]:
    """Search patients by name, number or today's token; doctors find their own patients.

    `total` stops at 1,000 with `totalIsMinimum`.
    """
    return patients.search(current_actor(), query["paging"], query["search"])


@blueprint.post("")
@requires(Permission.PATIENTS_WRITE)
@blueprint.arguments(CreatePatient)
@blueprint.response(201, RegistrationOut, description="Patient created successfully")
@blueprint.alt_response(
    200,
    schema=envelope_of(RegistrationOut),
    description=_EXISTING,
    example={**example_of(envelope_of(RegistrationOut)()), "message": _EXISTING},
    success=True,
)
def create(body: dict[str, Any]) -> Registration | WithMessage:
    """Register a patient without a code, who signs in later with the number.

    A registered number answers 200 with its patient; one of the staff with id and name only.
    """
    registration = register(current_actor(), **body)
    return registration if registration.is_new else WithMessage(_EXISTING, registration, 200)


@blueprint.get("/<object_id:patient_id>")
@requires(Permission.PATIENTS_READ)
@blueprint.response(200, PatientOut, name="patient", description="Patient retrieved successfully")
def read(patient_id: ObjectId) -> User:
    """Read a patient's record; doctors read those of their own patients.

    `patientInfo` (allergies, history) is left out for receptionists.
    """
    return patients.read(current_actor(), patient_id)


@blueprint.put("/<object_id:patient_id>")
@requires(Permission.PATIENTS_WRITE)
@blueprint.arguments(UpdatePatient)
@blueprint.response(200, PatientOut, name="patient", description="Patient updated successfully")
@blueprint.refuses(*OF_GUESSES, Code.DUPLICATE_VALUE)
def update(changes: dict[str, Any], patient_id: ObjectId) -> User:
    """Change a patient's record. A new number needs the code that was sent to it, and signs all devices out."""
    return patients.update(current_actor(), patient_id, changes, network=subscriber())
