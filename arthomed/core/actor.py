"""The actor of a use case: a signed-in user, or the system itself."""

from dataclasses import dataclass

from bson import ObjectId

from arthomed.core.permissions import ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True)
class Actor:
    """The user behind a request. The system has no id, role or session."""

    user_id: ObjectId | None
    role: Role | None
    session_id: ObjectId | None = None

    @property
    def signed_in_user_id(self) -> ObjectId:
        """The id of an actor that is not the system."""
        assert self.user_id is not None  # noqa: S101  every signed-in actor has one
        return self.user_id

    def may(self, permission: Permission) -> bool:
        return self.role is not None and permission in ROLE_PERMISSIONS[self.role]


SYSTEM = Actor(user_id=None, role=None)
