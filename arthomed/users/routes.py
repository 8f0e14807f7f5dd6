"""HTTP routes for users: own profile and family, administration, statistics."""

from typing import Any

from bson import ObjectId

from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.schema import example_of, page_of
from arthomed.users import family, service
from arthomed.users.dependents import Dependent
from arthomed.users.family_schemas import AddDependent, AddedOut, DependentOut, DependentsOut, UpdateDependent
from arthomed.users.models import User
from arthomed.users.schemas import CreateUser, UpdateProfile, UserOut, UserQuery, UserStatsOut

blueprint = Blueprint("users", __name__, url_prefix="/api/users", description="Users and their profiles.")
dependents = Blueprint("dependents", __name__, url_prefix="/api/dependents", description="Family members.")

EXISTING_MEMBER = "The family member exists already"


@blueprint.get("/profile")
@requires(Permission.PROFILE)
@blueprint.response(200, UserOut, name="user", description="Profile retrieved successfully")
def profile() -> User:
    """Read the caller's own profile."""
    return service.get(own_id())


@blueprint.put("/profile")
@requires(Permission.PROFILE)
@blueprint.arguments(UpdateProfile, example=example_of(UpdateProfile(), without="doctor_info"))
@blueprint.response(200, UserOut, name="user", description="Profile updated successfully")
def update_profile(changes: dict[str, Any]) -> User:
    """Update the caller's own profile. Fields that are not sent stay as they are."""
    return service.update(own_id(), changes, by=current_actor())


@blueprint.get("")
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(UserQuery, location="query")
@blueprint.response(200, page_of(UserOut), description="Users retrieved successfully")
def list_users(query: dict[str, Any]) -> Page[User]:
    """List users."""
    return service.list_users(current_actor(), query.pop("paging"), **query)


@blueprint.post("")
@requires(Permission.USERS_MANAGE)
@blueprint.arguments(CreateUser, example=example_of(CreateUser(), without="patient_info"))
@blueprint.response(201, UserOut, name="user", description="User created successfully")
@blueprint.refuses(Code.DUPLICATE_VALUE)
def create_user(body: dict[str, Any]) -> User:
    """Create a user of any role."""
    return service.register(**body, by=current_actor())


@blueprint.get("/stats")
@requires(Permission.USERS_MANAGE)
@blueprint.response(200, UserStatsOut, description="User statistics retrieved successfully")
def stats() -> dict[str, Any]:
    """Count users by role and status."""
    return service.stats()


@dependents.get("")
@requires(Permission.FAMILY)
@dependents.response(200, DependentsOut, description="Family members retrieved successfully")
def list_family() -> dict[str, list[Dependent]]:
    """List one's own family members, by name."""
    return {"dependents": family.members(own_id())}


@dependents.post("")
@requires(Permission.FAMILY)
@dependents.arguments(AddDependent)
@dependents.created_response(AddedOut, description="Family member added successfully", existing=EXISTING_MEMBER)
def add_to_family(body: dict[str, Any]) -> family.Added:
    """Add a family member, for whom one books with one's own number.

    One with the same name and date of birth answers 200, so the request can be repeated.
    """
    return family.add(current_actor(), own_id(), body)


@dependents.put("/<object_id:dependent_id>")
@requires(Permission.FAMILY)
@dependents.arguments(UpdateDependent)
@dependents.response(200, DependentOut, name="dependent", description="Family member updated successfully")
@dependents.refuses(Code.DUPLICATE_VALUE)
def update_family(changes: dict[str, Any], dependent_id: ObjectId) -> Dependent:
    """Change a family member's record."""
    return family.update(current_actor(), own_id(), dependent_id, changes)


@dependents.delete("/<object_id:dependent_id>")
@requires(Permission.FAMILY)
@dependents.response(200, description="Family member removed successfully")
def remove_from_family(dependent_id: ObjectId) -> None:
    """Remove a family member. Their appointments stay, and still name them."""
    family.remove(current_actor(), own_id(), dependent_id)
