"""Requests that upload and download files, and checks of what is stored afterwards."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
from bson import ObjectId
from flask.testing import FlaskClient
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from arthomed.core import clock
from arthomed.files import file_store
from arthomed.files.models import File
from arthomed.files.service import integrity, purging, uploading
from tests.factories import SignedIn, picture, told

FOUND = 302
FormFile = tuple[BytesIO, str]


def pdf(name: str = "report.pdf") -> FormFile:
    """The smallest PDF that a reader opens."""
    pages = b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    page = b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" + pages + page
    offsets = [body.index(f"{number} 0 obj".encode()) for number in (1, 2, 3)]
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 4\n0000000000 65535 f \n" + table + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n"
    return BytesIO(body + end + b"%d\n%%%%EOF\n" % len(body)), name


def post_files(
    client: FlaskClient, user: SignedIn, appointment_id: ObjectId, *files: FormFile, **form: Any
) -> TestResponse:
    body = {"appointmentId": str(appointment_id), "category": "reports", "files": list(files), **form}
    response = client.post(
        "/api/files/upload/appointments", data=body, headers=user.headers, content_type="multipart/form-data"
    )
    response.request.input_stream.close()  # the test client keeps a large form in a file, and leaves it open
    return response


def upload_files(
    client: FlaskClient, user: SignedIn, appointment_id: ObjectId, *files: FormFile, **form: Any
) -> list[dict[str, Any]]:
    """Upload files, one small picture by default, and return their serialized metadata."""
    response = post_files(client, user, appointment_id, *(files or (picture(),)), **form)
    uploaded: list[dict[str, Any]] = told(response)["uploadedFiles"]
    return uploaded


def fetch(client: FlaskClient, user: SignedIn, url: str, **headers: str) -> Response:
    """Download a file like a phone: follow a redirect to the bucket."""
    response = client.get(url, headers={**user.headers, **headers}, buffered=True)
    if response.status_code != FOUND:
        return response
    stored = httpx.get(response.location, headers=headers)
    return Response(stored.content, stored.status_code, list(stored.headers.items()))


def is_store_empty() -> bool:
    """Whether there is no metadata, no stored file and no unfinished upload."""
    storage = file_store.current().storage
    uploading.incoming_folder()
    later = clock.now() + timedelta(days=2)
    found: list[Iterator[object]] = [storage.list_files(older_than=later), storage.leftovers(older_than=later)]
    return File.objects.count() == 0 and not any(list(files) for files in found)


def problems_after_purge() -> list[str]:
    purging.purge()
    return list(integrity.check())
