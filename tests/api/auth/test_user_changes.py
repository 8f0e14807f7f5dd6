"""Sessions of users whom an admin changes, also during their sign-in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.appointments.service import staff
from arthomed.auth.models import Session
from arthomed.auth.rules import Platform, UserInactive
from arthomed.auth.service import sign_in
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import code_sent, me, refresh
from tests.factories import SignedIn, data_of, error_of

ROUNDS = 8
DEVICE = sign_in.Device(None, Platform.OTHER, "127.0.0.1")


def change_during_sign_in(client: FlaskClient, people: list[User], change: Callable[[User], object]) -> None:
    """Change each user while the user signs in."""
    codes = {user.id: code_sent(client, user.mobile_number) for user in people}

    def verify(user: User) -> None:
        with suppress(UserInactive):  # the deactivation was first
            sign_in.sign_in(sign_in.SignInAttempt(user.mobile_number, codes[user.id], DEVICE, "127.0.0.1"))

    with ThreadPoolExecutor(2) as pool:
        for user in people:
            signing_in = pool.submit(verify, user)
            pool.submit(change, user).result()
            signing_in.result()


def update(client: FlaskClient, admin: SignedIn, person: SignedIn, **changes: Any) -> None:
    data_of(client.put(f"/api/users/{person.user.id}", json=changes, headers=admin.headers))


def test_deactivation_ends_sessions_at_once(client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
    data_of(client.delete(f"/api/users/{person.user.id}", headers=admin.headers))

    assert error_of(me(client, person.access_token)) == (401, "USER_INACTIVE")
    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


def test_reactivation_does_not_restore_sessions(client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
    for is_active in (False, True):
        body = {"isActive": is_active, "reason": "Moved away"}
        data_of(client.put(f"/api/users/{person.user.id}/status", json=body, headers=admin.headers))

    assert error_of(me(client, person.access_token)) == (401, "SESSION_REVOKED")


@pytest.mark.parametrize("changes", [{"role": "receptionist"}, {"mobileNumber": "9876500000"}])
def test_a_new_role_or_number_ends_sessions_at_once(
    client: FlaskClient, admin: SignedIn, person: SignedIn, changes: dict[str, str]
) -> None:
    update(client, admin, person, **changes)

    assert error_of(me(client, person.access_token)) == (401, "SESSION_REVOKED")
    assert error_of(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")


@pytest.mark.parametrize("name", ["role", "mobile_number"])
def test_saving_the_same_role_or_number_keeps_sessions(
    client: FlaskClient, admin: SignedIn, person: SignedIn, name: str
) -> None:
    key = {"role": "role", "mobile_number": "mobileNumber"}[name]

    update(client, admin, person, **{key: getattr(person.user, name)})

    assert me(client, person.access_token).status_code == 200


def test_a_new_name_keeps_sessions(client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
    update(client, admin, person, name="Asha Sharma")

    assert data_of(me(client, person.access_token))["user"]["name"] == "Asha Sharma"


def test_a_refused_change_keeps_sessions(client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
    body = {"role": "receptionist", "mobileNumber": admin.user.mobile_number}

    response = client.put(f"/api/users/{person.user.id}", json=body, headers=admin.headers)

    assert error_of(response) == (400, "DUPLICATE_VALUE")
    assert me(client, person.access_token).status_code == 200


def test_a_user_deactivated_during_sign_in_has_no_session(client: FlaskClient, admin: SignedIn) -> None:
    people = [factories.make_user() for _ in range(ROUNDS)]
    by = factories.actor_of(admin.user)

    change_during_sign_in(client, people, lambda user: staff.set_active(by, user.id, is_active=False))

    assert Session.objects(user__in=[one.id for one in people]).count() == 0


def test_a_user_whose_role_changes_during_sign_in_has_no_session_of_the_old_role(
    client: FlaskClient, admin: SignedIn
) -> None:
    people = [factories.make_user(Role.DOCTOR) for _ in range(ROUNDS)]
    by = factories.actor_of(admin.user)

    change_during_sign_in(client, people, lambda user: staff.update(by, user.id, {"role": "patient"}))

    assert Session.objects(user__in=[one.id for one in people], role=Role.DOCTOR).count() == 0
