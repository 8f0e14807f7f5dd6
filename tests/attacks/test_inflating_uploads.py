"""Accounts that keep uploading slow files do not stop the uploads of others."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from arthomed.files.cleaning_queue import MAX_REQUEST_SECONDS
from tests.factories import picture
from tests.faults.clinic import Clinic, Person
from tests.stack import Stack, wait_for
from tests.unit.files import corpus_images as images
from tests.unit.files import corpus_pdfs as pdfs

RequestFile = tuple[str, tuple[str, bytes, str]]

ATTACKERS, REQUESTS_AT_ONCE = 6, 2
REFUSED, REFUSED_SECONDS = 503, 0.1
MAX_UPLOADS, MAX_SECONDS = 1000, 20


@pytest.fixture
def clinic(stack: Stack) -> Iterator[Clinic]:
    with Clinic(stack, timeout=60) as client:
        yield client


def test_six_accounts_with_inflating_pdfs_do_not_stop_the_uploads_of_others(clinic: Clinic) -> None:
    patients = clinic.patients(4)
    with attack(clinic, files=1, megabytes=30) as answers:
        statuses = [upload_picture(clinic, patient).status_code for patient in patients]

    assert statuses == [200] * len(patients), answers


@pytest.mark.long
def test_uploads_go_on_while_requests_with_inflating_pdfs_of_the_largest_size_time_out(clinic: Clinic) -> None:
    statuses, seconds, patients = list[int](), list[float](), iter(clinic.patients(MAX_UPLOADS))
    with attack(clinic, files=5, megabytes=299) as answers:
        end = time.monotonic() + MAX_REQUEST_SECONDS + 3
        while (started_at := time.monotonic()) < end:
            statuses.append(upload_picture(clinic, next(patients)).status_code)
            seconds.append(time.monotonic() - started_at)

    assert set(statuses) == {200}, (statuses, answers)
    assert max(seconds) < MAX_SECONDS, seconds


@contextmanager
def attack(clinic: Clinic, *, files: int, megabytes: int) -> Iterator[Counter[int]]:
    """Six accounts upload inflating PDFs again and again, until the queue is full and then during the block."""
    pdf = pdfs.with_stream(images.zeros(megabytes), b"/Filter/FlateDecode")
    upload = [("files", ("report.pdf", pdf, "application/pdf"))] * files
    doctor, stopped, answers = clinic.doctor(slots=1, capacity=ATTACKERS), threading.Event(), Counter[int]()

    def send_again_and_again(patient: Person, appointment: str) -> None:
        while not stopped.is_set():
            status = upload_pdfs(clinic, patient, appointment, upload)
            answers[status] += 1
            stopped.wait(REFUSED_SECONDS if status == REFUSED else 0)

    attackers = [(each, booked(clinic.book(each, doctor))) for each in clinic.patients(ATTACKERS)]
    with ThreadPoolExecutor(ATTACKERS * REQUESTS_AT_ONCE) as threads:
        sent = [threads.submit(send_again_and_again, *each) for each in attackers * REQUESTS_AT_ONCE]
        try:
            wait_for(lambda: answers[REFUSED], what="a full queue")
            yield answers
        finally:
            stopped.set()
    for each in sent:
        each.result()


def booked(response: httpx.Response) -> str:
    return str(response.json()["data"]["appointment"]["_id"])


def upload_pdfs(clinic: Clinic, patient: Person, appointment: str, files: list[RequestFile]) -> int:
    form = {"appointmentId": appointment, "category": "reports"}
    return clinic.api.post("/files/upload/appointments", data=form, files=files, headers=patient.headers).status_code


def upload_picture(clinic: Clinic, patient: Person) -> httpx.Response:
    return clinic.api.post("/files/upload/profiles", files={"files": picture()[::-1]}, headers=patient.headers)
