"""Logout needs a well-signed token of the session, and no live session: a device that is signed out stays so."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.auth.models import Session
from tests import factories
from tests.api.auth.sign_in import Now, me, refresh, refreshed
from tests.factories import Records, SignedIn, data_of, envelope_of, error_of


def logout(client: FlaskClient, token: str | None = None, **body: Any) -> TestResponse:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return client.post("/api/auth/logout", headers=headers, **({"json": body} if body else {}))


def is_signed_in(person: SignedIn) -> bool:
    return Session.objects(id=person.session_id).first() is not None


def test_no_token_of_the_session_works_afterwards(client: FlaskClient, person: SignedIn) -> None:
    assert envelope_of(logout(client, person.access_token))["message"] == "Logged out successfully"

    for response in (me(client, person.access_token), refresh(client, person.refresh_token)):
        assert error_of(response) == (401, "SESSION_REVOKED")


def test_a_device_can_be_signed_out_any_number_of_times(client: FlaskClient, person: SignedIn) -> None:
    for _ in range(3):
        data_of(logout(client, person.access_token))


def test_an_expired_access_token_signs_its_device_out(client: FlaskClient, person: SignedIn, now: Now) -> None:
    now.shift(timedelta(hours=2))
    assert error_of(me(client, person.access_token)) == (401, "TOKEN_EXPIRED")

    data_of(logout(client, person.access_token))

    assert not is_signed_in(person)
    data_of(logout(client, person.access_token))


def test_the_refresh_token_alone_signs_its_device_out(client: FlaskClient, person: SignedIn) -> None:
    data_of(logout(client, refreshToken=person.refresh_token))

    assert not is_signed_in(person)
    data_of(logout(client, refreshToken=person.refresh_token))


def test_a_used_refresh_token_signs_its_device_out(client: FlaskClient, person: SignedIn, now: Now) -> None:
    refreshed(client, person.refresh_token)
    now.shift(timedelta(hours=2))

    data_of(logout(client, refreshToken=person.refresh_token))

    assert not is_signed_in(person)


def test_the_refresh_token_counts_beside_an_access_token_that_is_not_valid(
    client: FlaskClient, person: SignedIn
) -> None:
    data_of(logout(client, "no-token", refreshToken=person.refresh_token))

    assert not is_signed_in(person)


def test_both_tokens_sign_out_their_sessions(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    other = factories.sign_in(app, person.user)

    data_of(logout(client, person.access_token, refreshToken=other.refresh_token))

    assert not is_signed_in(person)
    assert not is_signed_in(other)


def test_other_devices_and_users_stay_signed_in(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    others = factories.sign_in(app, person.user), factories.sign_in(app)

    data_of(logout(client, refreshToken=person.refresh_token))

    assert all(map(is_signed_in, others))


@pytest.mark.parametrize("body", [{}, {"refreshToken": None}, {"refreshToken": ""}], ids=["none", "null", "blank"])
def test_the_access_token_is_enough(client: FlaskClient, person: SignedIn, body: dict[str, Any]) -> None:
    data_of(logout(client, person.access_token, **body))

    assert not is_signed_in(person)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_a_request_without_a_body_may_have_any_content_type(
    client: FlaskClient, person: SignedIn, content_type: str | None
) -> None:
    data_of(client.post("/api/auth/logout", headers=person.headers, content_type=content_type))

    assert not is_signed_in(person)


def test_logout_without_a_token_is_refused(client: FlaskClient) -> None:
    assert error_of(logout(client)) == (401, "NO_TOKEN")


def test_tokens_that_this_clinic_did_not_sign_are_refused(client: FlaskClient, person: SignedIn) -> None:
    header, claims, signature = person.access_token.split(".")
    forged = f"{header}.{claims}.{signature[::-1]}"

    for response in (
        logout(client, forged),
        logout(client, refreshToken=forged),
        logout(client, person.refresh_token),
        logout(client, refreshToken=person.access_token),
    ):
        assert error_of(response) == (401, "INVALID_TOKEN")
    assert is_signed_in(person)


def test_a_refresh_token_that_is_no_text_is_refused(client: FlaskClient, person: SignedIn) -> None:
    assert error_of(logout(client, person.access_token, refreshToken=5)) == (400, "VALIDATION_ERROR")


def test_the_logout_is_recorded_for_the_user_of_the_token(
    client: FlaskClient, person: SignedIn, database: Records
) -> None:
    for _ in range(2):
        data_of(logout(client, refreshToken=person.refresh_token))

    [event] = database.audit_events.find({"kind": "session", "action": "delete"})
    assert (event["actor"], event["subjects"], event["role"]) == (person.user.id, [person.user.id], "patient")


def test_a_logout_of_an_ended_session_counts_for_the_address(environment: dict[str, str], person: SignedIn) -> None:
    del environment
    limits = factories.rate_limits(address=3)
    with factories.another_app(rate_limits=limits) as app:
        client = app.test_client()
        statuses = [logout(client, person.access_token).status_code for _ in range(5)]

    assert statuses == [200, 200, 200, 200, 429]


@pytest.mark.parametrize("token", ["refresh", "expired access"])
def test_a_logout_that_names_no_live_session_counts_once_for_the_address(
    environment: dict[str, str], person: SignedIn, now: Now, token: str
) -> None:
    del environment
    now.shift(timedelta(hours=2))
    sent = {"refreshToken": person.refresh_token} if token == "refresh" else {"token": person.access_token}
    with factories.another_app(rate_limits=factories.rate_limits(address=3)) as app:
        statuses = [logout(app.test_client(), **sent).status_code for _ in range(5)]

    assert statuses == [200, 200, 200, 429, 429]
