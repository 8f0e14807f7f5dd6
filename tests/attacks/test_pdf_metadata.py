"""Photographs in uploaded PDFs keep their pixels, and lose the place, the payloads and the hidden pictures."""

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.attacks import photographs
from tests.factories import data_of
from tests.unit.files.corpus_images import MARKER

Store = Callable[[bytes], bytes]


@pytest.fixture
def store(app: Flask, client: FlaskClient) -> Store:
    """Upload a PDF to an appointment, and download what is stored."""
    person = factories.sign_in(app)
    appointment = factories.make_appointment(person.user, factories.make_doctor())

    def upload(file: bytes) -> bytes:
        form = {"appointmentId": str(appointment.id), "category": "reports", "files": [(BytesIO(file), "report.pdf")]}
        response = client.post("/api/files/upload/appointments", data=form, headers=person.headers)
        [uploaded] = data_of(response)["uploadedFiles"]
        return bytes(client.get(uploaded["url"], headers=person.headers, buffered=True).data)

    return upload


@pytest.mark.parametrize("streams", photographs.STREAMS.values(), ids=photographs.STREAMS)
def test_photographs_in_a_pdf_keep_only_their_pixels(streams: tuple[bytes, ...], store: Store) -> None:
    file = photographs.pdf_with(streams)
    stored = store(file)

    assert [payload for payload in photographs.payloads(stored) if MARKER in payload] == []
    assert photographs.pixels(stored) == photographs.pixels(file)


def test_other_content_around_an_inline_photograph_is_kept_byte_for_byte(store: Store) -> None:
    text = b"q (BI /F /DCT ID x EI) Tj 1.0 0 0 1 0 0 cm % comment\nQ"
    file = photographs.pdf_with((), contents=photographs.page_contents(text))
    stored = store(file)

    [contents] = [payload for payload in photographs.payloads(stored) if text in payload]
    assert contents.startswith(text)
    assert contents.endswith(text)
    assert MARKER not in b"".join(photographs.payloads(stored))
    assert photographs.pixels(stored) == photographs.pixels(file)
