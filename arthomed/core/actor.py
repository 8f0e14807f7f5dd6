"""Who acts: a signed-in person, or the system itself."""

from dataclasses import dataclass

from bson import ObjectId

from arthomed.core.permissions import ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True)
class Actor:
    """The person behind a request; the system has neither id, role nor session."""

    user_id: ObjectId | None
    role: Role | None
    session_id: ObjectId | None = None

    @property
    def person(self) -> ObjectId:
        """The id of one who is not the system."""
        assert self.user_id is not None  # noqa: S101  every signed-in actor has one
        return self.user_id

    def may(self, permission: Permission) -> bool:
        return self.role is not None and permission in ROLE_PERMISSIONS[self.role]


SYSTEM = Actor(user_id=None, role=None)
