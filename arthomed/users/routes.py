"""HTTP routes for users: own profile, administration, statistics."""

from typing import Any

from arthomed.core.errors import Code
from arthomed.core.paging import Page
from arthomed.core.permissions import Permission
from arthomed.http.auth import current_actor, own_id, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.schema import example_of, page_of
from arthomed.users import service
from arthomed.users.models import User
from arthomed.users.schemas import CreateUser, UpdateProfile, UserOut, UserQuery, UserStatsOut

blueprint = Blueprint("users", __name__, url_prefix="/api/users", description="Users and their profiles.")


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
