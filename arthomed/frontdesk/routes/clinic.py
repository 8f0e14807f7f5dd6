"""What everybody may know of the clinic."""

from arthomed.frontdesk.schemas.clinic import ClinicOut
from arthomed.frontdesk.service import clinic
from arthomed.http.auth import public
from arthomed.http.blueprint import Blueprint

blueprint = Blueprint("clinic", __name__, url_prefix="/api", description="The clinic.")


@blueprint.get("/clinic")
@public
@blueprint.response(200, ClinicOut, description="Clinic retrieved successfully")
def show_clinic() -> clinic.Clinic:
    """Show the clinic: name, time zone, present time, languages, the numbers of its rules, privacy notice."""
    return clinic.show()
