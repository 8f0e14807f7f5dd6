"""Authentication fails closed: a mistake in a view or its decorators never opens a route."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from arthomed.core.permissions import Permission, Role
from arthomed.http.auth import public, requires
from arthomed.http.blueprint import Blueprint
from arthomed.http.cache import cached
from arthomed.http.limits import limit_bookings
from tests import factories
from tests.factories import data_of, error_of

SECRET = "a secret of the clinic"


def fail() -> None:
    raise RuntimeError(SECRET)


FAULTY_VIEWS: dict[str, Callable[[], Any]] = {
    "text": lambda: SECRET,
    "dict": lambda: {"secret": SECRET},
    "response": lambda: Response(SECRET),
    "none": lambda: None,
    "raises": fail,
}


@pytest.fixture
def blueprint() -> Blueprint:
    return Blueprint("faulty", __name__, url_prefix="/api/faulty")


@pytest.fixture
def faulty(blueprint: Blueprint, client: FlaskClient) -> Iterator[Flask]:
    """The application with a route for each faulty view, plain and cached, which only admins may call."""
    del client  # it empties the database
    for name, view in FAULTY_VIEWS.items():
        for path, decorated in ((name, view), (f"cached-{name}", cached(shared=True)(view))):
            guarded = requires(Permission.AUDIT_READ)(decorated)
            blueprint.add_url_rule(f"/{path}", path, guarded)
    with factories.another_app() as app:
        app.register_blueprint(blueprint)
        yield app


@pytest.mark.parametrize("path", [f"{prefix}{name}" for prefix in ("", "cached-") for name in FAULTY_VIEWS])
def test_a_faulty_view_is_not_called_without_session_and_permission(faulty: Flask, path: str) -> None:
    admin = factories.sign_in(faulty, factories.make_user(Role.ADMIN))
    patient = factories.sign_in(faulty)
    ended = factories.sign_in(faulty, admin.user)
    client = faulty.test_client()
    data_of(client.post("/api/auth/logout", headers=ended.headers))

    client.get(f"/api/faulty/{path}", headers=admin.headers)  # a cached response may exist from now on
    responses = [client.get(f"/api/faulty/{path}", headers=one) for one in ({}, ended.headers, patient.headers)]

    assert [error_of(one) for one in responses] == [
        (401, "NO_TOKEN"),
        (401, "SESSION_REVOKED"),
        (403, "PERMISSION_DENIED"),
    ]
    assert [SECRET in one.text for one in responses] == [False] * 3


def test_a_route_without_requires_or_public_is_refused_at_registration(blueprint: Blueprint) -> None:
    with pytest.raises(TypeError, match="names no permission"):

        @blueprint.get("/open")
        @blueprint.response(200, description="Open")
        def view() -> None:
            """A view without a permission."""


@pytest.mark.parametrize("decorator", [requires(Permission.PROFILE), public])
def test_cached_above_the_permission_is_refused(decorator: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="below @requires"):
        cached(shared=True)(decorator(lambda: None))


def test_a_rate_limit_that_only_admitted_requests_would_reach_is_an_error() -> None:
    with pytest.raises(TypeError, match="rate limits go above @requires"):
        requires(Permission.AUDIT_READ)(limit_bookings(lambda: None))
