"""Request ids, security headers and content negotiation."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories import error_of

SECURITY = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "DENY",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
EVERYWHERE = [
    ("GET", "/health"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/docs"),
    ("GET", "/api/auth/me"),
    ("GET", "/nowhere"),
    ("GET", "/api/nowhere"),
    ("DELETE", "/api/auth/me"),
    ("OPTIONS", "/api/auth/me"),
    ("HEAD", "/health"),
    ("POST", "/api/auth/send-otp"),
]


class TestRequestId:
    @pytest.mark.parametrize("sent", ["12345678", "a.b-c_d.", "A" * 64, "5f0c7a52-9c0e-4a6e-8f0b-1d2e3c4b5a69"])
    def test_a_valid_request_id_is_returned(self, client: FlaskClient, sent: str) -> None:
        assert client.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent

    @pytest.mark.parametrize(
        "sent",
        [
            "",
            "short",
            "A" * 65,
            "with space",
            "semi;colon",
            "a/../../b",
            "<script>",
            "12345678\t",
            '"quoted"',
            "\xe9" * 9,
        ],
    )
    def test_an_invalid_request_id_is_replaced(self, client: FlaskClient, sent: str) -> None:
        given = client.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"]

        assert given != sent
        assert len(given) == 32

    def test_each_request_without_an_id_gets_one(self, client: FlaskClient) -> None:
        assert len({client.get("/health").headers["X-Request-ID"] for _ in range(5)}) == 5

    @pytest.mark.parametrize(("method", "path"), EVERYWHERE)
    def test_every_response_has_the_request_id(self, client: FlaskClient, method: str, path: str) -> None:
        response = client.open(path, method=method, headers={"X-Request-ID": "ask-about-this"})

        assert response.headers.getlist("X-Request-ID") == ["ask-about-this"]


class TestSecurity:
    @pytest.mark.parametrize(("method", "path"), EVERYWHERE)
    def test_every_response_has_the_security_headers(self, client: FlaskClient, method: str, path: str) -> None:
        headers = client.open(path, method=method).headers
        policy = headers["Content-Security-Policy"]

        assert {name: headers.get(name) for name in SECURITY} == SECURITY
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-eval" not in policy

    def test_the_policy_allows_neither_plugins_nor_another_base_of_urls(self, client: FlaskClient) -> None:
        policy = client.get("/api/docs").headers["Content-Security-Policy"].split("; ")

        assert {"object-src 'none'", "base-uri 'none'"} <= set(policy)

    def test_the_documentation_page_keeps_to_its_policy(self, client: FlaskClient) -> None:
        page = client.get("/api/docs").text

        assert re.findall(r"<(?:base|object|embed|style|iframe|form)\b|\son\w+=|<script>", page) == []

    @pytest.mark.parametrize("path", ["/api/auth/me", "/api/nowhere", "/api/users", "/api/auth/send-otp"])
    def test_anonymous_api_responses_are_not_stored_by_caches(self, client: FlaskClient, path: str) -> None:
        assert client.get(path).headers["Cache-Control"] == "no-store"

    def test_authenticated_api_responses_are_not_stored_by_caches(self, app: Flask, client: FlaskClient) -> None:
        response = client.get("/api/auth/me", headers=factories.sign_in(app).headers)

        assert response.headers["Cache-Control"] == "no-store"

    def test_no_cookie_is_ever_set(self, app: Flask, client: FlaskClient) -> None:
        mobile = factories.sign_in(app).user.mobile_number
        factories.request_code(client, mobile)

        response = factories.submit_code(client, mobile, factories.code_for(mobile))

        assert response.status_code == 200
        assert "Set-Cookie" not in response.headers


class TestAccept:
    @pytest.mark.parametrize(
        "accept",
        [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/*",
            "*/*",
            "text/html, application/json;q=0.1",
            "application/json, text/plain, */*",
            "text/html;q=0.9, */*;q=0.1",
            "application/xml;q=0, application/json",
            "",
            ",",
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
            "*",
            "*;q=0.1",
            "text/html,*",
            "application/json;q=.5",
            "application/json;q=1.",
            "application/json; Q=0.3",
            "application/json;q=high",
            "application/json;q=",
            "application/json;q=0, application/json;q=1",
            "*/*;q=0, application/json",
            "application/*;q=0, application/json;q=0.1",
            'application/json;profile="a,b"',
            "text/html ; level=1 , application/json ; indent=2",
        ],
    )
    def test_a_client_that_accepts_json_gets_json(self, client: FlaskClient, accept: str) -> None:
        assert error_of(client.get("/api/auth/me", headers={"Accept": accept})) == (401, "NO_TOKEN")

    @pytest.mark.parametrize(
        "accept",
        [
            "text/html",
            "application/xml",
            "application/json;q=0",
            "*/*;q=0",
            "*/*, application/json;q=0",
            "image/*",
            "garbage",
            "application/vnd.api+json",
            "application/json;q=.0",
            "*;q=0",
            "*, application/json;q=0.000",
            "*/*, application/*;q=0",
            "application/pdf",
            "application/octet-stream",
        ],
    )
    def test_a_client_that_does_not_accept_json_gets_406(self, client: FlaskClient, accept: str) -> None:
        assert error_of(client.get("/api/auth/me", headers={"Accept": accept})) == (406, "NOT_ACCEPTABLE")

    @pytest.mark.parametrize("path", ["/api/docs", "/dev/mailbox"])
    def test_pages_are_served_as_html(self, client: FlaskClient, path: str) -> None:
        response = client.get(path, headers={"Accept": "text/html"}, follow_redirects=True)

        assert (response.status_code, response.mimetype) == (200, "text/html")
