"""Routes of patients at the desk."""

from typing import Any

from bson import ObjectId

from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.frontdesk.schemas.patients import (
    ClaimDependent,
    CreatePatient,
    PatientAndFamilyOut,
    PatientOut,
    PatientQuery,
    RegistrationOut,
    UpdatePatient,
)
from arthomed.frontdesk.service import families, patients
from arthomed.http.auth import current_actor, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.limits import subscriber
from arthomed.http.refusals import OF_GUESSES
from arthomed.http.schema import page_of
from arthomed.users.dependents import Dependent
from arthomed.users.family import Added
from arthomed.users.family_schemas import AddDependent, AddedOut, DependentOut, DependentsOut, UpdateDependent
from arthomed.users.models import User
from arthomed.users.patients import Registration, register
from arthomed.users.routes import EXISTING_MEMBER
from arthomed.users.schemas import FoundPatientOut

blueprint = Blueprint("patients", __name__, url_prefix="/api/patients", description="Patients at the front desk.")

claims = Blueprint("claims", __name__, url_prefix="/api/dependents", description="Family members.")

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
@blueprint.created_response(RegistrationOut, description="Patient created successfully", existing=_EXISTING)
def create(body: dict[str, Any]) -> Registration:
    """Register a patient without a code, who signs in later with the number.

    A registered number answers 200 with its patient; one of the staff with id and name only.
    """
    return register(current_actor(), **body)


@blueprint.get("/<object_id:patient_id>")
@requires(Permission.PATIENTS_READ)
@blueprint.response(200, PatientAndFamilyOut, name="patient", description="Patient retrieved successfully")
def read(patient_id: ObjectId) -> patients.Record:
    """Read a patient's record with the family; doctors read those of their own patients.

    `patientInfo` (allergies, history) is left out for receptionists. Doctors get the family members whom they treat;
    a patient of whose family a doctor treats only others is not found.
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


@blueprint.get("/<object_id:patient_id>/dependents")
@requires(Permission.PATIENTS_WRITE)
@blueprint.response(200, DependentsOut, description="Family members retrieved successfully")
def list_family(patient_id: ObjectId) -> dict[str, list[Dependent]]:
    """List the members of a patient's family, by name."""
    return {"dependents": families.members(current_actor(), patient_id)}


@blueprint.post("/<object_id:patient_id>/dependents")
@requires(Permission.PATIENTS_WRITE)
@blueprint.arguments(AddDependent)
@blueprint.created_response(AddedOut, description="Family member added successfully", existing=EXISTING_MEMBER)
def add_to_family(body: dict[str, Any], patient_id: ObjectId) -> Added:
    """Add a member to a patient's family; one with the same name and date of birth answers 200."""
    return families.add(current_actor(), patient_id, body)


@blueprint.put("/<object_id:patient_id>/dependents/<object_id:dependent_id>")
@requires(Permission.PATIENTS_WRITE)
@blueprint.arguments(UpdateDependent)
@blueprint.response(200, DependentOut, name="dependent", description="Family member updated successfully")
@blueprint.refuses(Code.DUPLICATE_VALUE)
def update_family(changes: dict[str, Any], patient_id: ObjectId, dependent_id: ObjectId) -> Dependent:
    """Change the record of a member of a patient's family."""
    return families.update(current_actor(), patient_id, dependent_id, changes)


@blueprint.delete("/<object_id:patient_id>/dependents/<object_id:dependent_id>")
@requires(Permission.PATIENTS_WRITE)
@blueprint.response(200, description="Family member removed successfully")
def remove_from_family(patient_id: ObjectId, dependent_id: ObjectId) -> None:
    """Remove a member from a patient's family. Their appointments stay, and still name them."""
    families.remove(current_actor(), patient_id, dependent_id)


@claims.post("/<object_id:dependent_id>/claim")
@requires(Permission.PATIENTS_WRITE)
@claims.arguments(ClaimDependent)
@claims.response(200, PatientOut, name="patient", description="Family member became a patient successfully")
@claims.refuses(*OF_GUESSES, Code.DUPLICATE_VALUE)
def claim(body: dict[str, Any], dependent_id: ObjectId) -> User:
    """Make a family member, who has a mobile number now, a patient with all their appointments and files.

    The code goes to that number. A number that is a patient already keeps its record and receives the history.
    Receipts stay with the patient who paid.
    """
    request = families.Claim(dependent_id, body["mobile_number"], body["otp"], subscriber())
    return families.claim(current_actor(), request)
