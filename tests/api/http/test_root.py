"""The address of the server leads a developer to the documentation, and shows nothing in production."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.config import AppEnv
from tests import factories
from tests.factories import error_of


@pytest.fixture
def development(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    del app, client
    with factories.another_app(app_env=AppEnv.DEVELOPMENT) as found:
        yield found.test_client()


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"]
)
def test_root_leads_to_the_documentation_in_development(development: FlaskClient, accept: str) -> None:
    response = development.get("/", headers={"Accept": accept})

    assert (response.status_code, response.headers["Location"]) == (302, "/api/docs")
    page = development.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert (page.status_code, page.mimetype) == (200, "text/html")


def test_root_does_not_count_for_the_rate_limit(development: FlaskClient) -> None:
    assert "RateLimit-Limit" not in development.get("/").headers


def test_root_takes_no_other_method_in_development(development: FlaskClient) -> None:
    assert error_of(development.post("/")) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("app_env", [AppEnv.PRODUCTION, AppEnv.TEST])
def test_root_is_not_found_elsewhere(app: Flask, client: FlaskClient, app_env: AppEnv) -> None:
    with factories.another_app(app_env=app_env) as found:
        assert error_of(found.test_client().get("/")) == (404, "NOT_FOUND")
