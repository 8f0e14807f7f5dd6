"""Permissions of actors."""

import pytest
from bson import ObjectId

from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission, Role


@pytest.mark.parametrize("permission", Permission)
def test_the_system_has_no_permission_of_a_role(permission: Permission) -> None:
    assert not SYSTEM.may(permission)


@pytest.mark.parametrize("role", Role)
def test_actor_has_exactly_the_permissions_of_the_role(role: Role) -> None:
    actor = Actor(ObjectId(), role)

    assert {one for one in Permission if actor.may(one)} == ROLE_PERMISSIONS[role]


@pytest.mark.parametrize("permission", Permission)
def test_each_permission_belongs_to_a_role(permission: Permission) -> None:
    assert any(permission in granted for granted in ROLE_PERMISSIONS.values())
