"""A download whose If-Match fails gets nothing of the file. `tests/deploy/test_nginx.py` has the same behind nginx."""

from collections.abc import Iterator

import httpx
import pytest

from arthomed.core.permissions import Role
from tests.factories import picture
from tests.faults.clinic import Clinic
from tests.stack import Stack

OTHER = '"another"'
NAMES_ANOTHER_FILE = {
    "another file": {"If-Match": OTHER},
    "other files": {"If-Match": f"{OTHER}, W/{OTHER}"},
    "the file, weakly": {"If-Match": "W/{etag}"},
    "another file, and a range": {"If-Match": OTHER, "Range": "bytes=0-3"},
    "another file, and the present one as not matching": {"If-Match": OTHER, "If-None-Match": "{etag}"},
}
NAMES_THE_FILE = {
    "the file": {"If-Match": "{etag}"},
    "one of several": {"If-Match": OTHER + ", {etag}"},
    "any": {"If-Match": "*"},
}


@pytest.fixture(scope="module")
def owner(stack: Stack) -> Iterator[httpx.Client]:
    """The client of a patient, with the URL of the patient's picture as its base."""
    with Clinic(stack) as clinic:
        headers = clinic.person(Role.PATIENT).headers
        stream, name = picture()
        uploaded = clinic.api.post("/files/upload/profiles", files={"files": (name, stream)}, headers=headers)
        url = uploaded.json()["data"]["uploadedFiles"][0]["url"]
    with httpx.Client(base_url=stack.url + url, headers=headers) as client:
        yield client


def request_with(owner: httpx.Client, method: str, headers: dict[str, str]) -> httpx.Response:
    etag = owner.head("").headers["ETag"]
    return owner.request(method, "", headers={name: value.format(etag=etag) for name, value in headers.items()})


@pytest.mark.parametrize("kind", NAMES_ANOTHER_FILE)
def test_a_download_for_another_file_gets_an_error_without_the_file(owner: httpx.Client, kind: str) -> None:
    response = request_with(owner, "GET", NAMES_ANOTHER_FILE[kind])

    assert b"PNG" not in response.content
    assert (response.status_code, response.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert "Content-Disposition" not in response.headers


@pytest.mark.parametrize("kind", NAMES_ANOTHER_FILE)
def test_head_for_another_file_fails_too(owner: httpx.Client, kind: str) -> None:
    assert request_with(owner, "HEAD", NAMES_ANOTHER_FILE[kind]).status_code == 412


@pytest.mark.parametrize("kind", NAMES_THE_FILE)
def test_a_download_for_the_file_gets_it(owner: httpx.Client, kind: str) -> None:
    response = request_with(owner, "GET", NAMES_THE_FILE[kind])

    assert (response.status_code, response.content[:4]) == (200, b"\x89PNG")
