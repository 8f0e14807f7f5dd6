"""Requests that upload and download files, and checks of what is stored afterwards."""

from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any

import httpx
import pytest
from bson import ObjectId
from flask.testing import FlaskClient
from werkzeug.test import TestResponse
from werkzeug.wrappers import Response

from arthomed.core import clock
from arthomed.files import file_store
from arthomed.files.models import File
from arthomed.files.service import integrity, purging, uploading
from tests.factories import SignedIn, data_of, picture
from tests.unit.files import corpus_pdfs

FOUND = 302
FormFile = tuple[BytesIO, str]
folder_only = pytest.mark.parametrize("empty_storage", ["folder"], indirect=True)


def pdf(name: str = "report.pdf") -> FormFile:
    return BytesIO(corpus_pdfs.pdf()), name


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
    uploaded: list[dict[str, Any]] = data_of(response)["uploadedFiles"]
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
