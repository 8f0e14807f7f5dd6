"""A session of staff ends twelve hours after the sign-in, however often it is used (OWASP ASVS 5.0 V7.3.2)."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.models import Session
from arthomed.core import clock
from arthomed.core.permissions import Role
from tests import factories
from tests.api.auth.sign_in import Now, code_sent, devices_of, me, refresh, refreshed
from tests.factories import SignedIn, data_of, environment, error_of, make_user, submit_code

STAFF = sorted(set(Role) - {Role.PATIENT})
LONGEST, MOMENT = timedelta(hours=12), timedelta(minutes=1)


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, make_user(Role.RECEPTIONIST))


def refreshed_until(client: FlaskClient, now: Now, token: str, end: timedelta) -> dict[str, str]:
    """Use a device every 30 minutes until a minute before this end; returns its last tokens."""
    step = timedelta(minutes=30)
    for _ in range(end // step - 1):
        now.shift(step)
        token = refreshed(client, token)["refreshToken"]
    now.shift(step - MOMENT)
    return refreshed(client, token)


@pytest.mark.parametrize("role", STAFF)
def test_a_session_of_staff_ends_twelve_hours_after_the_sign_in(client: FlaskClient, now: Now, role: Role) -> None:
    mobile = make_user(role).mobile_number
    signed_in = data_of(submit_code(client, mobile, code_sent(client, mobile)))["tokens"]

    pair = refreshed_until(client, now, signed_in["refreshToken"], LONGEST)
    before = me(client, pair["accessToken"]).status_code
    now.shift(MOMENT)

    assert before == 200
    assert error_of(me(client, pair["accessToken"])) == (401, "SESSION_REVOKED")
    assert error_of(refresh(client, pair["refreshToken"])) == (401, "SESSION_REVOKED")


def test_a_session_of_a_patient_has_no_absolute_end(client: FlaskClient, person: SignedIn, now: Now) -> None:
    pair = refreshed_until(client, now, person.refresh_token, LONGEST)
    now.shift(LONGEST)

    assert refresh(client, pair["refreshToken"]).status_code == 200


def test_the_end_is_stored_with_the_session(desk: SignedIn) -> None:
    session = Session.objects.get(id=desk.session_id)

    assert session.expires_at == session.created_at + LONGEST


def test_an_ended_session_of_staff_is_not_listed(app: Flask, client: FlaskClient, desk: SignedIn, now: Now) -> None:
    now.shift(LONGEST + MOMENT)
    again = factories.sign_in(app, desk.user)

    assert [one["_id"] for one in devices_of(client, again.access_token)] == [str(again.session_id)]


def test_a_session_that_was_opened_without_an_end_is_over_at_its_next_refresh(
    client: FlaskClient, desk: SignedIn, now: Now
) -> None:
    Session.objects(id=desk.session_id).update(set__expires_at=clock.now() + timedelta(days=30))
    now.shift(LONGEST + MOMENT)

    responses = [refresh(client, desk.refresh_token) for _ in range(2)]

    assert [error_of(response) for response in responses] == [(401, "SESSION_REVOKED")] * 2
    assert Session.objects.get(id=desk.session_id).expires_at <= clock.now()


def test_the_next_sign_in_after_a_change_of_the_role_has_the_end_of_the_new_role(
    app: Flask, client: FlaskClient, admin: SignedIn, person: SignedIn
) -> None:
    path = f"/api/users/{person.user.id}"
    lifetimes = []
    for role in ("receptionist", "patient"):
        data_of(client.put(path, json={"role": role}, headers=admin.headers))
        assert error_of(me(client, person.access_token)) == (401, "SESSION_REVOKED")
        person.user.reload()
        person = factories.sign_in(app, person.user)
        session = Session.objects.get(id=person.session_id)
        lifetimes.append(round((session.expires_at - session.created_at) / timedelta(hours=1)))

    assert lifetimes == [12, 30 * 24]


def test_a_short_refresh_lifetime_still_ends_an_unused_session(app: Flask, client: FlaskClient, now: Now) -> None:
    del client  # it empties the database
    with environment(REFRESH_TOKEN_MINUTES="60", STAFF_SESSION_MAX_HOURS="2"):
        desk = factories.sign_in(app, make_user(Role.RECEPTIONIST))
        now.shift(timedelta(minutes=59))
        pair = refreshed(app.test_client(), desk.refresh_token)
        now.shift(timedelta(minutes=59))
        pair = refreshed(app.test_client(), pair["refreshToken"])
        now.shift(timedelta(minutes=2))

        assert error_of(refresh(app.test_client(), pair["refreshToken"])) == (401, "SESSION_REVOKED")
