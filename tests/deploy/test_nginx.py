"""The proxy in front of the application."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from arthomed.core.permissions import Role
from dev.servers import Mongo, Valkey
from tests.deploy.nginx import in_front_of, needs_nginx
from tests.factories import picture
from tests.faults.clinic import Clinic, Person
from tests.stack import Stack, wait_for

pytestmark = needs_nginx


@pytest.fixture(scope="module")
def clinic(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    stack = Stack(
        tmp_path_factory.mktemp("behind-nginx"),
        mongodb_uri=mongo.uri("arthomed_nginx"),
        redis_url=valkey.url.removesuffix("/0") + "/3",
        parts=("web",),
        demo=False,
        env={"TRUSTED_PROXIES": "1", "UPLOADS_ACCEL_PREFIX": "/_uploads"},
    )
    with stack, Clinic(stack) as running:
        yield running


@pytest.fixture(scope="module")
def front(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A stranger's client of nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    with in_front_of([clinic.stack], folder) as url, httpx.Client(base_url=url, timeout=10) as client:
        client.headers["X-Test-Folder"] = str(folder)
        yield client


def test_the_api_is_there(front: httpx.Client, clinic: Clinic) -> None:
    person = clinic.person(Role.PATIENT)

    assert front.get("/api/auth/me", headers=person.headers).json()["data"]["user"]["_id"] == str(person.id)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/x", "/dev/mailbox", "/dev/mailbox.json", "/_uploads/x"])
def test_the_inside_is_not_there_for_strangers(front: httpx.Client, path: str) -> None:
    answer = front.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


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
    answer = front_with_client_address.get(path, headers={"X-Client-Address": address})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.9.8.7", "172.16.0.1", "172.31.255.254", "192.168.1.2", "fd00::1"]
)
def test_readiness_is_shown_to_loopback_and_private_networks(
    front_with_client_address: httpx.Client, address: str
) -> None:
    answer = front_with_client_address.get("/health/ready", headers={"X-Client-Address": address})

    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")  # no worker runs here


def test_liveness_is_shown_to_everyone(front_with_client_address: httpx.Client) -> None:
    assert front_with_client_address.get("/health", headers={"X-Client-Address": "203.0.113.9"}).status_code == 200


def test_nobody_chooses_the_address_that_is_held_against_them(front: httpx.Client, clinic: Clinic) -> None:
    request_id = "asked-through-nginx"
    front.get("/api/auth/me", headers={"X-Forwarded-For": "203.0.113.9", "X-Request-ID": request_id})

    assert clinic.stack.web is not None
    [line] = [one for one in clinic.stack.web.log.read_text().splitlines() if request_id in one]
    assert "ip=127.0.0.1" in line


def test_nginx_sends_files_to_those_who_may_read_them(front: httpx.Client, clinic: Clinic) -> None:
    patient, stranger = clinic.patients(2)
    url = _portrait_of(clinic, patient)

    answer, part = (front.get(url, headers={**patient.headers, **more}) for more in ({}, {"Range": "bytes=0-7"}))

    assert answer.content.startswith(b"\x89PNG")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert (part.status_code, part.content) == (206, answer.content[:8])
    assert front.get(url, headers=stranger.headers).status_code in {403, 404}
    assert front.get(url).status_code == 401


def test_a_body_that_is_too_large_is_refused_in_the_envelope(front: httpx.Client) -> None:
    connection = HTTPConnection(front.base_url.host, front.base_url.port)
    with closing(connection):
        connection.request("POST", "/api/files/upload/profiles", headers={"Content-Length": str(65 * 1024 * 1024)})
        answer = connection.getresponse()

        assert (answer.status, json.load(answer)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_flood_from_one_address_is_refused_in_the_envelope(front: httpx.Client) -> None:
    answers = (front.get("/health") for _ in range(2_000))

    refused = next(one for one in answers if one.status_code != 200)

    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["Retry-After"] == "5"


def test_no_log_of_nginx_has_what_was_searched_for(front: httpx.Client) -> None:
    log = Path(front.headers["X-Test-Folder"]) / "access.log"
    wait_for(lambda: front.get("/api/users", params={"search": "9876500001"}).status_code == 401, what="room again")

    wait_for(lambda: '"path":"/api/users"' in log.read_text(), what="its line")  # nginx writes it after the answer
    assert "9876500001" not in log.read_text()


def test_an_application_that_is_away_is_told_of_in_the_envelope(front: httpx.Client, clinic: Clinic) -> None:
    assert clinic.stack.web is not None
    clinic.stack.web.stop(within=10)
    try:
        answer = wait_for(lambda: _not_limited(front.get("/api/auth/me")), what="room again")
    finally:
        clinic.stack.start_web()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


def _not_limited(answer: httpx.Response) -> httpx.Response | None:
    return None if answer.status_code == 429 else answer


def _portrait_of(clinic: Clinic, patient: Person) -> str:
    stream, name = picture()
    answer = clinic.api.post("/files/upload/profiles", files={"files": (name, stream)}, headers=patient.headers)
    return str(answer.json()["data"]["uploadedFiles"][0]["url"])
