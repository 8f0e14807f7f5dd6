"""Permissions of actors."""

import pytest

from arthomed.core.actor import SYSTEM
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission


@pytest.mark.parametrize("permission", Permission)
def test_the_system_has_no_permission_of_a_role(permission: Permission) -> None:
    assert not SYSTEM.may(permission)


@pytest.mark.parametrize("permission", Permission)
def test_each_permission_belongs_to_a_role(permission: Permission) -> None:
    assert any(permission in granted for granted in ROLE_PERMISSIONS.values())
