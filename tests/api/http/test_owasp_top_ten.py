"""Attacks of OWASP's API Security Top 10 (2023); 7 and 10 are in test_owasp_outgoing_calls.py."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.rules import Status
from arthomed.config import AppEnv, settings
from arthomed.core.permissions import Role
from tests import factories
from tests.architecture.test_permissions import TABLE, call_route, make_world, routes_of
from tests.factories import Records, SignedIn, data_of, envelope_of, error_of
from tests.stack import Stack


@pytest.fixture
def production(app: Flask, client: FlaskClient) -> Iterator[Flask]:
    """The application as it is in production, in this process."""
    del app, client
    with factories.another_app(app_env=AppEnv.PRODUCTION) as found:
        yield found


class TestApi1BrokenObjectLevelAuthorization:
    ATTEMPTS: ClassVar = [
        ("GET", "/api/appointments/{visit}", None),
        ("PUT", "/api/appointments/{visit}", {"reason": "Mine now"}),
        ("PUT", "/api/appointments/{visit}/status", {"status": "cancelled"}),
        ("PUT", "/api/appointments/{visit}/cancel", {"reason": "Mine now"}),
        ("DELETE", "/api/auth/sessions/{session}", None),
    ]

    @pytest.mark.parametrize(("method", "path", "body"), ATTEMPTS)
    def test_another_user_s_record_is_not_found_and_not_changed(
        self, app: Flask, client: FlaskClient, database: Records, method: str, path: str, body: dict[str, str] | None
    ) -> None:
        victim, attacker = factories.sign_in(app), factories.sign_in(app)
        visit = factories.make_appointment(victim.user).id
        before = [list(database[name].find()) for name in ("appointments", "sessions")]

        def attempt(**ids: object) -> tuple[int, dict[str, Any]]:
            response = client.open(path.format(**ids), method=method, json=body, headers=attacker.headers)
            return response.status_code, {**envelope_of(response), "timestamp": None}

        stolen = attempt(visit=visit, session=victim.session_id)

        assert stolen[0] == 404
        assert stolen == attempt(visit=factories.UNKNOWN_ID, session=factories.UNKNOWN_ID)
        assert before == [list(database[name].find()) for name in ("appointments", "sessions")]


class TestApi2BrokenAuthentication:
    def test_guesses_from_many_addresses_do_not_sign_in(self, client: FlaskClient) -> None:
        victim = factories.make_user().mobile_number
        factories.request_code(client, victim)
        code = factories.code_for(victim)
        wrong = factories.wrong_code(code)

        responses = Counter(
            error_of(factories.submit_code(client, victim, wrong, address=f"198.51.100.{nth}"))[1] for nth in range(20)
        )
        right = factories.submit_code(client, victim, code, address="198.51.100.200")

        assert responses == {"OTP_INVALID": 3, "OTP_MAX_ATTEMPTS": 17}
        assert error_of(right) == (400, "OTP_MAX_ATTEMPTS")

    def test_a_role_claim_in_a_token_grants_nothing(self, client: FlaskClient, person: SignedIn) -> None:
        claims = jwt.decode(person.access_token, options={"verify_signature": False})
        raised = jwt.encode({**claims, "role": "admin", "roles": ["admin"]}, settings().jwt_secret, "HS256")

        response = client.get("/api/users", headers={"Authorization": f"Bearer {raised}"})

        assert error_of(response) == (403, "PERMISSION_DENIED")


class TestApi3BrokenObjectPropertyLevelAuthorization:
    INTERNAL: ClassVar = {
        *("otp", "nonce", "digest", "issue", "attempts", "generation", "rotatedAt", "fingerprint"),
        *("takenSeats", "lastClaimedSeat", "seat", "slot", "visitsBooked", "idempotencyKey", "key"),
    }

    @pytest.mark.parametrize("role", Role)
    def test_responses_have_no_internal_fields(self, app: Flask, client: FlaskClient, role: Role) -> None:
        world = make_world(app, role, Status.CONFIRMED)
        read = {route: row for route, row in TABLE.items() if route[0] == "GET" and role in row.roles}
        found: dict[str, set[str]] = {}
        for route, row in read.items():
            response = call_route(client, route, world, world.accessible_record(row))
            assert response.status_code == 200, response.text
            if response.is_json:
                found[route[1]] = _keys(envelope_of(response))

        internal = {path: keys & self.INTERNAL for path, keys in found.items() if keys & self.INTERNAL}
        named = {"/api/appointments/slots/<object_id:slot_id>": {"slot"}}  # its `data.slot` is the slot itself
        assert internal == (named if role is not Role.PATIENT else {})

    @pytest.mark.parametrize("extra", [{"role": "admin"}, {"isVerified": True}, {"_id": "0" * 24}, {"$set": {}}])
    @pytest.mark.parametrize("path", ["/api/auth/verify-otp", "/api/auth/register"])
    def test_registration_creates_only_patients(
        self, client: FlaskClient, database: Records, path: str, extra: dict[str, object]
    ) -> None:
        mobile = factories.new_mobile()
        factories.request_code(client, mobile)
        wanted = {"mobileNumber": mobile, "otp": factories.code_for(mobile), "name": "Asha Rao"}

        response = client.post(path, json={**wanted, **extra})

        assert factories.invalid_fields(response) == list(extra)
        assert database.users.count_documents({}) == 0


def _keys(found: object) -> set[str]:
    if isinstance(found, dict):
        return set(found).union(*map(_keys, found.values()))
    return set().union(*map(_keys, found)) if isinstance(found, list) else set()


class TestApi4UnrestrictedResourceConsumption:
    LISTS: ClassVar = [
        *("/api/users", "/api/users/doctors", "/api/users/profile/access-log", "/api/admin/audit"),
        *("/api/appointments", "/api/appointments/pending"),
    ]

    @pytest.mark.parametrize(
        ("field", "value"), [("limit", 101), ("limit", 0), ("limit", -1), ("limit", "1e9"), ("page", 10**18)]
    )
    @pytest.mark.parametrize("path", LISTS)
    def test_every_list_limits_its_page_size(
        self, client: FlaskClient, admin: SignedIn, path: str, field: str, value: object
    ) -> None:
        response = client.get(path, query_string={field: value}, headers=admin.headers)

        assert factories.invalid_fields(response) == [field]


class TestApi5BrokenFunctionLevelAuthorization:
    BYPASSES: ClassVar = [
        ("GET", "/api/users", {"X-HTTP-Method-Override": "POST", "X-Role": "admin", "X-Forwarded-User": "admin"}),
        ("GET", "/api/users/profile", {"X-Original-URL": "/api/users", "X-Rewrite-URL": "/api/users"}),
        ("POST", "/api/users/profile", {"X-HTTP-Method-Override": "PUT"}),
        ("POST", "/api/users?_method=GET", {}),
        ("HEAD", "/api/users", {}),
        ("GET", "/api/users/", {}),
        ("GET", "/api//users", {}),
        ("GET", "/api/users/doctors/../../users", {}),
        ("GET", "/api/users/doctors/%2e%2e", {}),
        ("GET", "/API/USERS", {}),
        ("GET", "/api/users;.json", {}),
        ("GET", "/api/users%00", {}),
    ]

    @pytest.mark.parametrize(("method", "path", "headers"), BYPASSES)
    def test_path_and_method_tricks_do_not_reach_admin_routes(
        self, client: FlaskClient, person: SignedIn, method: str, path: str, headers: dict[str, str]
    ) -> None:
        stranger = factories.make_user()
        body = {"mobileNumber": factories.new_mobile(), "name": "An Admin", "role": "admin"}

        response = client.open(
            path, method=method, json=body if method == "POST" else None, headers={**person.headers, **headers}
        )

        is_own = (method, path) == ("GET", "/api/users/profile")
        assert response.status_code in ((200,) if is_own else (403, 404, 405))
        assert stranger.mobile_number not in response.text


class TestApi6UnrestrictedAccessToSensitiveBusinessFlows:
    def test_repeated_booking_and_cancelling_reaches_the_rate_limit(self, app: Flask, client: FlaskClient) -> None:
        doctor, grabber = factories.make_doctor(), factories.sign_in(app)
        statuses = []
        with factories.another_app(rate_limits=factories.rate_limits(booking=3)) as strict:
            client = strict.test_client()
            for _ in range(4):
                body = factories.booking_body(doctor)
                booked = client.post("/api/appointments/book", json=body, headers=grabber.headers)
                statuses.append(booked.status_code)
                if booked.status_code == 201:
                    visit = data_of(booked, 201)["appointment"]["_id"]
                    client.put(f"/api/appointments/{visit}/cancel", json={}, headers=grabber.headers)

        assert statuses == [201, 201, 201, 429]


class TestApi8SecurityMisconfiguration:
    @pytest.mark.parametrize(
        "path",
        [
            *("/.git/config", "/.env", "/config.py", "/var/mailbox.jsonl", "/dev/mailbox", "/dev/mailbox.json"),
            *("/console", "/?__debugger__=yes&cmd=resource&f=debugger.js", "/server-status", "/actuator/env", "/admin"),
            *("/api/docs/assets/", "/api/docs/assets/../../../config.py", "/api/docs/assets/%2e%2e/%2e%2e/docs.py"),
            *("/api/docs/assets//etc/passwd", "/api/docs/assets/..%2f..%2f__init__.py", "/static/docs.js"),
        ],
    )
    def test_production_serves_no_internal_files_or_tools(self, production: Flask, path: str) -> None:
        assert error_of(production.test_client().get(path)) == (404, "NOT_FOUND")

    @pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PATCH", "DEBUG", "PROPFIND"])
    def test_unused_methods_are_refused_without_an_echo(self, production: Flask, method: str) -> None:
        response = production.test_client().open("/api/auth/me", method=method, headers={"X-Secret": "a-secret-header"})

        assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
        assert "a-secret-header" not in response.text + str(response.headers)

    @pytest.mark.long
    @pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked", "gzip, chunked", "x"])
    def test_a_request_with_two_lengths_is_refused(self, stack: Stack, coding: str) -> None:
        lengths = f"Content-Length: 5\r\nTransfer-Encoding: {coding}\r\n"
        first = f"POST /api/auth/send-otp HTTP/1.1\r\nHost: x\r\n{lengths}\r\n0\r\n\r\n"
        smuggled = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
            connection.sendall((first + smuggled).encode())
            found = b"".join(iter(lambda: connection.recv(4096), b""))

        [status] = [line.split()[1] for line in found.splitlines() if line.startswith(b"HTTP/")]
        assert status in (b"400", b"501")


class TestApi9ImproperInventoryManagement:
    UNLISTED: ClassVar = {
        *("/health", "/health/ready", "/api/openapi.json"),
        *("/api/docs", "/api/docs/start.js", "/api/docs/assets/<path:path>"),
    }

    def test_production_serves_only_documented_routes_and_a_few_pages(self, production: Flask) -> None:
        paths = envelope_of(production.test_client().get("/api/openapi.json"))["paths"]
        listed = {
            (method.upper(), path) for path, methods in paths.items() for method in methods if method != "parameters"
        }

        served = {(method, _documented(rule)) for method, rule in routes_of(production) if rule not in self.UNLISTED}
        assert served == listed

    @pytest.mark.parametrize("path", ["/api/v1/users", "/api/v2/users", "/v1/api/users", "/api/beta/users", "/users"])
    def test_no_other_version_of_a_route_exists(self, client: FlaskClient, admin: SignedIn, path: str) -> None:
        assert client.get(path, headers=admin.headers).status_code == 404


def _documented(rule: str) -> str:
    return re.sub(r"<\w+:(\w+)>", r"{\1}", rule)
