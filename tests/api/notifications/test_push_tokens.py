"""PUT /api/auth/sessions/current/push-token."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.service import sessions
from tests import factories
from tests.api.notifications.push_tokens import PATH, TOKENS, register_token
from tests.factories import SignedIn, error_of, invalid_fields


def test_token_moves_to_the_user_who_registered_it_last(app: Flask, client: FlaskClient, person: SignedIn) -> None:
    other = factories.sign_in(app)
    register_token(client, person, TOKENS[0])
    register_token(client, other, TOKENS[0])

    assert (sessions.push_tokens(person.user.id), sessions.push_tokens(other.user.id)) == ([], [TOKENS[0]])


def test_concurrent_registrations_of_a_token_leave_one_owner(app: Flask, person: SignedIn) -> None:
    users = [person, *(factories.sign_in(app) for _ in range(3))]
    factories.in_parallel(4, lambda number: register_token(app.test_client(), users[number], TOKENS[0]))

    assert sum(len(sessions.push_tokens(one.user.id)) for one in users) == 1


def test_new_token_replaces_the_old_one_of_the_device(client: FlaskClient, person: SignedIn) -> None:
    for token in TOKENS:
        register_token(client, person, token)

    assert sessions.push_tokens(person.user.id) == [TOKENS[2]]


@pytest.mark.parametrize("token", ["", "short", "a" * 5000, "with a blank in the middle", "नमस्ते" * 10, None, 5])
def test_invalid_token_is_refused_and_not_echoed(client: FlaskClient, person: SignedIn, token: object) -> None:
    response = client.put(PATH, json={"pushToken": token}, headers=person.headers)

    assert invalid_fields(response) == ["pushToken"]
    assert "value" not in factories.envelope_of(response)["errors"][0]


def test_token_is_only_visible_in_the_export_of_its_owner(client: FlaskClient, person: SignedIn) -> None:
    register_token(client, person, TOKENS[0])

    assert TOKENS[0] not in client.get("/api/auth/sessions", headers=person.headers).text
    assert TOKENS[0] in client.get("/api/users/profile/export", headers=person.headers).text


def test_signed_out_user_cannot_register_a_token(client: FlaskClient, person: SignedIn) -> None:
    client.post("/api/auth/logout", headers=person.headers)

    response = client.put(PATH, json={"pushToken": TOKENS[0]}, headers=person.headers)
    assert error_of(response) == (401, "SESSION_REVOKED")
