"""Headers, errors and log lines of pages."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from arthomed.dashboard import assets
from tests import factories
from tests.factories import Browser

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PATHS = ["/dashboard", "/dashboard/sign-in", "/dashboard/day", "/dashboard/nowhere", "/dashboard/static/dashboard.css"]


@pytest.mark.parametrize("path", PATHS)
def test_every_page_has_the_content_security_policy(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize("path", PATHS[:-1])
def test_pages_are_not_stored_by_caches(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_a_file_of_this_version_is_kept_and_another_asked_for(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        current = assets.url("dashboard.css")

    found = [client.get(path).headers["Cache-Control"] for path in (current, f"{current}0")]

    assert found == ["public, max-age=31536000, immutable", "no-cache"]


def test_files_are_compressed_for_who_accepts_it(client: FlaskClient) -> None:
    plain, compressed = (
        client.get("/dashboard/static/htmx.min.js", headers={"Accept-Encoding": coding}) for coding in ("", "gzip, br")
    )

    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.data) < len(plain.data) / 2


def test_an_unknown_page_is_a_page(client: FlaskClient) -> None:
    response = client.get("/dashboard/nowhere")

    assert (response.status_code, response.mimetype) == (404, "text/html")


def test_an_error_in_a_part_goes_to_the_top_of_the_page(app: Flask, client: FlaskClient) -> None:
    browser = Browser(app, factories.make_user(Role.RECEPTIONIST))

    response = browser.post(f"/dashboard/appointments/{factories.UNKNOWN_ID}/arrive")

    assert (response.status_code, response.headers["HX-Retarget"]) == (404, "#problem")
    assert response.text == "<p>This does not exist, or not any more.</p>"


def test_log_lines_have_no_values_of_the_query(
    app: Flask, client: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    Browser(app, factories.make_user(Role.RECEPTIONIST)).get("/dashboard/day?search=Asha+Verma")

    output = capsys.readouterr()
    assert "/dashboard/day" in output.err + output.out
    assert "Asha" not in output.err + output.out
