"""Uploads over HTTP, and what is stored of them."""

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
from arthomed.files.models import File
from arthomed.files.records import cabinet
from arthomed.files.service import purging, receiving
from tests.factories import SignedIn, picture, told

FOUND = 302
Sent = tuple[BytesIO, str]


def pdf(name: str = "report.pdf") -> Sent:
    """The smallest that a reader opens."""
    pages = b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    page = b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" + pages + page
    places = [body.index(f"{number} 0 obj".encode()) for number in (1, 2, 3)]
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 4\n0000000000 65535 f \n" + table + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n"
    return BytesIO(body + end + b"%d\n%%%%EOF\n" % len(body)), name


def send(client: FlaskClient, who: SignedIn, visit: ObjectId, *files: Sent, **form: Any) -> TestResponse:
    body = {"appointmentId": str(visit), "category": "reports", "files": list(files), **form}
    answer = client.post(
        "/api/files/upload/appointments", data=body, headers=who.headers, content_type="multipart/form-data"
    )
    answer.request.input_stream.close()  # a large form is in a file, which the test client leaves open
    return answer


def uploaded(client: FlaskClient, who: SignedIn, visit: ObjectId, *files: Sent, **form: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told(send(client, who, visit, *(files or (picture(),)), **form))["uploadedFiles"]
    return found


def fetch(client: FlaskClient, who: SignedIn, url: str, **headers: str) -> Response:
    """Fetch a file as a phone does, from the bucket where the answer leads there."""
    answer = client.get(url, headers={**who.headers, **headers}, buffered=True)
    if answer.status_code != FOUND:
        return answer
    stored = httpx.get(answer.location, headers=headers)
    return Response(stored.content, stored.status_code, list(stored.headers.items()))


def nothing_is_left() -> bool:
    """No record, nothing stored, nothing on its way."""
    storage = cabinet().storage
    receiving.incoming()
    later = clock.now() + timedelta(days=2)
    there: list[Iterator[object]] = [storage.keys(older_than=later), storage.leftovers(older_than=later)]
    return File.objects.count() == 0 and not any(list(one) for one in there)


def faults_after_a_purge() -> list[str]:
    purging.purge()
    return list(purging.check())
