"""What becomes of people's sessions when an admin changes them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.appointments.service import staff
from arthomed.auth.service import sign_in
from arthomed.auth.models import Session
from arthomed.auth.rules import Platform
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, refused, told
from tests.api.auth.sign_in import code_sent, me, refresh

ROUNDS = 8
DEVICE = sign_in.Device(None, Platform.OTHER, "127.0.0.1")


def while_signing_in(users: list[User], change: Callable[[User], object]) -> None:
    """Change each person at the same time as a session is opened for them."""

    def open_session(user: User) -> None:
        auth._open_session(user.mobile_number, DEVICE)

    with ThreadPoolExecutor(2) as pool:
        for user in users:
            opening = pool.submit(open_session, user)
            pool.submit(change, user).result()
            opening.result()


class TestChangesByAnAdmin:
    def change(self, client: FlaskClient, admin: SignedIn, person: SignedIn, **changes: Any) -> None:
        told(client.put(f"/api/users/{person.user.id}", json=changes, headers=admin.headers))

    def test_deactivating_ends_sessions_at_once(self, client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
        told(client.delete(f"/api/users/{person.user.id}", headers=admin.headers))

        assert refused(me(client, person.access_token)) == (401, "USER_INACTIVE")
        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")

    def test_activating_again_revives_no_session(self, client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
        for is_active in (False, True):
            body = {"isActive": is_active, "reason": "Moved away"}
            told(client.put(f"/api/users/{person.user.id}/status", json=body, headers=admin.headers))

        assert refused(me(client, person.access_token)) == (401, "SESSION_REVOKED")

    @pytest.mark.parametrize("changes", [{"role": "receptionist"}, {"mobileNumber": "9876500000"}])
    def test_another_role_or_number_ends_sessions_at_once(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, changes: dict[str, str]
    ) -> None:
        self.change(client, admin, person, **changes)

        assert refused(me(client, person.access_token)) == (401, "SESSION_REVOKED")
        assert refused(refresh(client, person.refresh_token)) == (401, "SESSION_REVOKED")

    @pytest.mark.parametrize("name", ["role", "mobile_number"])
    def test_saving_the_same_role_or_number_ends_nothing(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn, name: str
    ) -> None:
        key = {"role": "role", "mobile_number": "mobileNumber"}[name]

        self.change(client, admin, person, **{key: getattr(person.user, name)})

        assert me(client, person.access_token).status_code == 200

    def test_another_name_ends_nothing(self, client: FlaskClient, admin: SignedIn, person: SignedIn) -> None:
        self.change(client, admin, person, name="Asha Sharma")

        assert told(me(client, person.access_token))["user"]["name"] == "Asha Sharma"

    def test_a_change_that_is_refused_ends_nothing(
        self, client: FlaskClient, admin: SignedIn, person: SignedIn
    ) -> None:
        body = {"role": "receptionist", "mobileNumber": admin.user.mobile_number}

        answer = client.put(f"/api/users/{person.user.id}", json=body, headers=admin.headers)

        assert refused(answer) == (400, "DUPLICATE_VALUE")
        assert me(client, person.access_token).status_code == 200

    def test_no_session_is_opened_for_who_was_deactivated_since_the_code_was_checked(self, client: FlaskClient) -> None:
        del client
        user = factories.make_user(is_active=False)

        assert auth._open_session(user.mobile_number, DEVICE) is None
        assert Session.objects(user=user.id).count() == 0

    def test_who_signs_in_while_being_deactivated_has_no_session_afterwards(self, admin: SignedIn) -> None:
        users = [factories.make_user() for _ in range(ROUNDS)]
        by = factories.acting(admin.user)

        while_signing_in(users, lambda user: staff.set_active(by, user.id, is_active=False))

        assert Session.objects(user__in=[one.id for one in users]).count() == 0

    def test_who_signs_in_while_the_role_changes_has_no_session_of_the_old_role(self, admin: SignedIn) -> None:
        users = [factories.make_user(Role.DOCTOR) for _ in range(ROUNDS)]
        by = factories.acting(admin.user)

        while_signing_in(users, lambda user: staff.update(by, user.id, {"role": "patient"}))

        assert Session.objects(user__in=[one.id for one in users], role=Role.DOCTOR).count() == 0

    def test_who_is_activated_while_the_code_is_checked_signs_in(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, find = factories.make_user(is_active=False), users.find_by_mobile

        def activated(mobile: str) -> User | None:
            User.objects(mobile_number=mobile).update(set__is_active=True)
            return find(mobile)

        code = code_sent(client, user.mobile_number)
        monkeypatch.setattr(users, "find_by_mobile", activated)

        assert factories.answer_with(client, user.mobile_number, code).status_code == 200
