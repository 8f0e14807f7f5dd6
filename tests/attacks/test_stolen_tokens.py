"""Tokens of ended sessions that spend the rate limits of their owner."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.api.http.rate_limits import limit_and_remaining
from tests.factories import SignedIn, data_of, error_of

BOOKINGS, REQUESTS, FROM_AN_ADDRESS = 2, 4, 6
ATTACKER = {"REMOTE_ADDR": "198.51.100.1"}


@pytest.fixture
def strict(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    """The application with low limits."""
    del app, client
    limits = factories.rate_limits(booking=BOOKINGS, user=REQUESTS, address=FROM_AN_ADDRESS)
    with factories.another_app(rate_limits=limits) as application:
        yield application.test_client()


def revoked(client: FlaskClient) -> SignedIn:
    """A patient whose tokens were stolen, and who has ended that session."""
    owner = factories.sign_in(client.application)
    data_of(client.post("/api/auth/logout", headers=owner.headers))
    return owner


def test_a_revoked_access_token_stops_no_booking_of_its_owner(strict: FlaskClient) -> None:
    owner = revoked(strict)
    stolen = [
        strict.post("/api/appointments/book", json={}, headers=owner.headers, environ_base=ATTACKER)
        for _ in range(2 * FROM_AN_ADDRESS)
    ]
    again = factories.sign_in(strict.application, owner.user)
    body = factories.booking_body(factories.make_doctor())

    booked = strict.post("/api/appointments/book", json=body, headers=again.headers)

    assert {error_of(one)[0] for one in stolen} == {401, 429}
    assert booked.status_code == 201


@pytest.mark.parametrize("is_ended", [True, False], ids=["of an ended session", "of an earlier generation"])
def test_an_old_refresh_token_spends_the_limits_of_the_address_and_not_of_its_owner(
    strict: FlaskClient, *, is_ended: bool
) -> None:
    owner = revoked(strict) if is_ended else factories.sign_in(strict.application)
    stolen = newer = owner.refresh_token
    for _ in range(0 if is_ended else 2):
        newer = data_of(strict.post("/api/auth/refresh-token", json={"refreshToken": newer}))["refreshToken"]

    responses = [
        error_of(strict.post("/api/auth/refresh-token", json={"refreshToken": stolen}, environ_base=ATTACKER))
        for _ in range(2 * FROM_AN_ADDRESS)
    ]
    again = factories.sign_in(strict.application, owner.user)

    charged = responses.count((401, "SESSION_REVOKED"))
    assert charged > 0
    assert limit_and_remaining(strict.get("/api/auth/me", environ_base=ATTACKER)) == (
        FROM_AN_ADDRESS,
        FROM_AN_ADDRESS - charged - 1,
    )
    assert strict.get("/api/auth/me", headers=again.headers).status_code == 200
