"""nginx with deploy/nginx.conf in front of the web process."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from arthomed.core.permissions import Role
from dev.servers import Mongo, Valkey
from tests.api.http.test_headers import SECURITY
from tests.attacks.test_malformed_requests import MALFORMED
from tests.deploy.nginx import in_front_of, needs_nginx
from tests.factories import picture
from tests.faults.clinic import Clinic, Person
from tests.stack import stack_with, wait_for

pytestmark = [needs_nginx, pytest.mark.long]

ORIGIN = "http://localhost:3000"
CORS_OF_A_REFUSAL = {
    "Access-Control-Allow-Origin": ORIGIN,
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
    "Vary": "Origin",
}


@pytest.fixture(scope="module")
def clinic(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    env = {"TRUSTED_PROXIES": "1", "UPLOADS_ACCEL_PREFIX": "/_uploads"}
    folder = tmp_path_factory.mktemp("behind-nginx")
    with stack_with(mongo, valkey, folder, redis=3, parts=("web",), env=env) as stack, Clinic(stack) as running:
        yield running


@pytest.fixture(scope="module")
def front(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of nginx without a token."""
    folder = tmp_path_factory.mktemp("nginx")
    with in_front_of([clinic.stack], folder) as url, httpx.Client(base_url=url, timeout=10) as client:
        client.headers["X-Test-Folder"] = str(folder)
        yield client


def test_nginx_forwards_the_api(front: httpx.Client, clinic: Clinic) -> None:
    person = clinic.person(Role.PATIENT)

    assert front.get("/api/auth/me", headers=person.headers).json()["data"]["user"]["_id"] == str(person.id)


def test_a_form_of_the_dashboard_is_of_this_origin_behind_nginx(front: httpx.Client) -> None:
    token = front.get("/dashboard/sign-in").text.partition('name="formToken" value="')[2].partition('"')[0]
    form = {"formToken": token, "mobileNumber": "9876500001"}

    answers = [
        front.post("/dashboard/sign-in/code", data=form, headers={"Origin": origin})
        for origin in (str(front.base_url).rstrip("/"), "http://127.0.0.1")
    ]

    assert [answer.status_code for answer in answers] == [200, 403]


@pytest.mark.parametrize("path", ["/metrics", "/metrics/x", "/dev/mailbox", "/dev/mailbox.json", "/_uploads/x"])
def test_internal_routes_are_not_found(front: httpx.Client, path: str) -> None:
    response = front.get(path)

    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.fixture(scope="module")
def front_with_client_address(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """nginx that takes the header X-Client-Address for the address of the client."""
    real_ip = "server_tokens off; set_real_ip_from 127.0.0.1; real_ip_header X-Client-Address;"
    folder = tmp_path_factory.mktemp("nginx-client-address")
    with (
        in_front_of([clinic.stack], folder, {"server_tokens off;": real_ip}) as url,
        httpx.Client(base_url=url, timeout=10) as client,
    ):
        yield client


@pytest.mark.parametrize("address", ["203.0.113.9", "172.32.0.1", "11.0.0.1", "2001:db8::1"])
@pytest.mark.parametrize("path", ["/health/ready", "/health/ready/", "/health//ready", "/health/%72eady"])
def test_readiness_is_not_shown_to_public_addresses(
    front_with_client_address: httpx.Client, address: str, path: str
) -> None:
    response = front_with_client_address.get(path, headers={"X-Client-Address": address})

    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.9.8.7", "172.16.0.1", "172.31.255.254", "192.168.1.2", "fd00::1"]
)
def test_readiness_is_shown_to_loopback_and_private_networks(
    front_with_client_address: httpx.Client, address: str
) -> None:
    response = front_with_client_address.get("/health/ready", headers={"X-Client-Address": address})

    assert (response.status_code, response.json()["status"]) == (200, "degraded")  # no worker runs here


def test_liveness_is_shown_to_everyone(front_with_client_address: httpx.Client) -> None:
    assert front_with_client_address.get("/health", headers={"X-Client-Address": "203.0.113.9"}).status_code == 200


def test_nginx_replaces_the_forwarded_address_of_the_client(front: httpx.Client, clinic: Clinic) -> None:
    request_id = "request-through-nginx"
    front.get("/api/auth/me", headers={"X-Forwarded-For": "203.0.113.9", "X-Request-ID": request_id})

    assert clinic.stack.web is not None
    [line] = [line for line in clinic.stack.web.log.read_text().splitlines() if request_id in line]
    assert "ip=127.0.0.1" in line


def test_nginx_sends_files_to_authorised_users_only(front: httpx.Client, clinic: Clinic) -> None:
    patient, stranger = clinic.patients(2)
    url = _portrait_of(clinic, patient)

    response, part = (front.get(url, headers={**patient.headers, **more}) for more in ({}, {"Range": "bytes=0-7"}))

    assert response.content.startswith(b"\x89PNG")
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert (part.status_code, part.content) == (206, response.content[:8])
    assert front.get(url, headers=stranger.headers).status_code in {403, 404}
    assert front.get(url).status_code == 401


def test_a_failed_if_match_sends_nothing_of_the_file(front: httpx.Client, clinic: Clinic) -> None:
    patient = clinic.person(Role.PATIENT)
    url = _portrait_of(clinic, patient)
    etag = front.get(url, headers=patient.headers).headers["ETag"]

    failed, matched, beyond = (
        front.get(url, headers={**patient.headers, **condition})
        for condition in ({"If-Match": '"another"'}, {"If-Match": etag}, {"Range": "bytes=9999999-"})
    )

    assert (failed.status_code, failed.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert matched.content.startswith(b"\x89PNG")
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "REQUESTED_RANGE_NOT_SATISFIABLE")


@pytest.mark.parametrize(
    "condition",
    [("If-Match", '"another"'), ("If-Unmodified-Since", "Sun, 01 Nov 2020 00:00:00 GMT")],
    ids=lambda one: one[0],
)
def test_the_connection_stays_open_after_a_failed_condition(
    front: httpx.Client, clinic: Clinic, condition: tuple[str, str]
) -> None:
    """nginx closes it after its own 412, although it has promised to keep it alive."""
    patient = clinic.person(Role.PATIENT)
    url = _portrait_of(clinic, patient)
    connection = HTTPConnection(front.base_url.host, front.base_url.port)
    statuses = []
    with closing(connection):
        connection.connect()
        connection.auto_open = 0
        for headers in [patient.headers, {**patient.headers, condition[0]: condition[1]}] * 10:
            connection.request("GET", url, headers=headers)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)

    assert statuses == [200, 412] * 10


def test_a_file_is_deleted_only_if_its_condition_is_met(front: httpx.Client, clinic: Clinic) -> None:
    patient = clinic.person(Role.PATIENT)
    url = _portrait_of(clinic, patient)
    etag = front.get(url, headers=patient.headers).headers["ETag"]

    failed, deleted = (
        front.delete(url, headers={**patient.headers, "If-Match": condition}) for condition in ('"another"', etag)
    )

    assert (failed.status_code, failed.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert deleted.status_code == 200


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_request_is_refused_in_the_format_of_the_api(front: httpx.Client, kind: str) -> None:
    _, request = MALFORMED[kind]
    with socket.create_connection((front.base_url.host, front.base_url.port or 0), timeout=10) as connection:
        connection.sendall(request.replace("\r\n", "\r\nConnection: close\r\n", 1).encode("latin-1"))
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])

    assert json.loads(body)["error"]["statusCode"] == int(head.split()[1])
    assert SECURITY.items() <= headers.items()
    assert len(headers["X-Request-ID"]) == 32


def test_a_body_that_is_too_large_is_refused_in_the_format_of_the_api(front: httpx.Client) -> None:
    connection = HTTPConnection(front.base_url.host, front.base_url.port)
    headers = {"Content-Length": str(65 * 1024 * 1024), "Origin": ORIGIN}
    with closing(connection):
        connection.request("POST", "/api/files/upload/profiles", headers=headers)
        response = connection.getresponse()

        assert (response.status, json.load(response)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert CORS_OF_A_REFUSAL.items() <= dict(response.getheaders()).items()


def test_a_refusal_of_nginx_has_no_cors_headers_for_a_client_without_an_origin(front: httpx.Client) -> None:
    names = front.get("/metrics").headers

    assert [name for name in names if name.startswith("access-control-")] == []


def test_a_response_of_the_application_has_cors_headers_for_configured_origins_only(front: httpx.Client) -> None:
    allowed, refused = (front.get("/api/auth/me", headers={"Origin": one}) for one in (ORIGIN, "https://evil.example"))

    assert allowed.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
    assert "Access-Control-Allow-Origin" not in refused.headers


def test_a_file_that_nginx_sends_has_the_headers_of_the_application(front: httpx.Client, clinic: Clinic) -> None:
    patient = clinic.person(Role.PATIENT)
    url = _portrait_of(clinic, patient)

    mine, other = (
        front.get(url, headers={**patient.headers, "Origin": one}).headers for one in (ORIGIN, "https://evil.example")
    )

    assert {name: mine.get(name) for name in SECURITY} == SECURITY
    assert mine["Access-Control-Allow-Origin"] == ORIGIN
    assert "Content-Disposition" in mine["Access-Control-Expose-Headers"]
    assert mine["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in other


@pytest.mark.parametrize(
    "answer", ["return 500;", "return 502;", "return 503;", "return 504;", "proxy_pass http://127.0.0.1:1;"]
)
def test_an_error_behind_nginx_is_refused_in_the_format_of_the_api(clinic: Clinic, tmp_path: Path, answer: str) -> None:
    broken = {"location = /metrics {": f"location = /broken {{ {answer} }}\n        location = /metrics {{"}
    with in_front_of([clinic.stack], tmp_path, broken) as url:
        response = httpx.get(f"{url}/broken", headers={"Origin": ORIGIN})

    expected = (500, "INTERNAL_ERROR") if "500" in answer else (503, "SERVICE_UNAVAILABLE")
    assert (response.status_code, response.json()["error"]["code"]) == expected
    assert response.json()["error"]["statusCode"] == response.status_code
    assert response.headers.get("Retry-After") == ("5" if response.status_code == 503 else None)
    assert {name: response.headers[name] for name in CORS_OF_A_REFUSAL} == CORS_OF_A_REFUSAL


def test_too_many_requests_of_one_address_are_refused_in_the_format_of_the_api(front: httpx.Client) -> None:
    responses = (front.get("/health", headers={"Origin": ORIGIN}) for _ in range(2_000))

    refused = next(response for response in responses if response.status_code != 200)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.json()["message"] == "Too many requests from this IP, please try again later."
    assert refused.headers["Retry-After"] == "5"
    assert {name: refused.headers[name] for name in CORS_OF_A_REFUSAL} == CORS_OF_A_REFUSAL


def test_the_access_log_does_not_contain_the_query(front: httpx.Client) -> None:
    log = Path(front.headers["X-Test-Folder"]) / "access.log"
    wait_for(
        lambda: front.get("/api/users", params={"search": "9876500001"}).status_code == 401,
        what="a request below the rate limit",
    )

    wait_for(
        lambda: '"path":"/api/users"' in log.read_text(), what="the log line"
    )  # nginx writes it after the response
    assert "9876500001" not in log.read_text()


def test_an_unavailable_application_is_reported_in_the_format_of_the_api(front: httpx.Client, clinic: Clinic) -> None:
    assert clinic.stack.web is not None
    clinic.stack.web.stop(within=10)
    try:
        response = wait_for(
            lambda: _unless_rate_limited(front.get("/api/auth/me")), what="a request below the rate limit"
        )
    finally:
        clinic.stack.start_web()

    assert (response.status_code, response.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


def _unless_rate_limited(response: httpx.Response) -> httpx.Response | None:
    return None if response.status_code == 429 else response


def _portrait_of(clinic: Clinic, patient: Person) -> str:
    stream, name = picture()
    response = clinic.api.post("/files/upload/profiles", files={"files": (name, stream)}, headers=patient.headers)
    return str(response.json()["data"]["uploadedFiles"][0]["url"])
