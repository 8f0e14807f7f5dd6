"""Uploads and purges while processes are killed, and the memory that uploads take."""

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import ObjectId
from PIL import Image

from arthomed.core import clock
from arthomed.files.storage import INCOMING
from tests.factories import picture
from tests.faults.clinic import DAY, Clinic, Person, final_response, kill_at_random
from tests.faults.conftest import FULL, ReportFigure, System
from tests.faults.test_killed_processes import KILLS, booking
from tests.migrations import records
from tests.stack import ROOT, Stack, children, kill_group, stack_with, wait_for

BOOKINGS = 100 if FULL else 12
CONCURRENT_UPLOADS = 5
FILES_PER_UPLOAD = 5
UNATTACHED_FILES = 1500
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_MEMORY_BYTES = 80 * 1024 * 1024
NO_PROBLEMS = "Every stored file has its record, and every record its file.\n"


@pytest.mark.long
def test_killed_uploads_leave_no_inconsistency(system: System, clinic: Clinic) -> None:
    stack = system.stack
    patients, doctor = clinic.patients(BOOKINGS), clinic.doctor(slots=20, capacity=BOOKINGS // 10)
    with booking(clinic, patients, doctor, book_until_answered) as requests:
        kill_at_random(stack, kills=KILLS, until=lambda: all(request.done() for request in requests))
        booked = [request.result() for request in requests]

    for patient, images in zip(patients, booked, strict=True):
        for image in images:
            record = clinic.database.files.find_one({"filename": image["filename"]})
            assert record
            assert hashlib.sha256(download(clinic, patient, image["url"])).hexdigest() == record["sha256"]
    assert run_two_days_later(stack, "uploads", "purge")
    assert run_two_days_later(stack, "uploads", "check") == NO_PROBLEMS
    stored = list(clinic.database.files.find())
    assert stored_keys(stack) == {key for record in stored for key in (record["key"], record["thumbnail"])}
    assert len(stored) == 2 * BOOKINGS


def book_until_answered(clinic: Clinic, patient: Person, doctor: ObjectId, when: str) -> list[dict[str, Any]]:
    """Repeat the same booking until there is a response, like the app on a phone."""
    response = final_response(partial(book_with_files, clinic, patient, doctor, when), seconds=90)
    assert response.status_code == 201, response.text
    images: list[dict[str, Any]] = response.json()["data"]["appointment"]["images"]
    return images


def book_with_files(clinic: Clinic, patient: Person, doctor: ObjectId, when: str = "00:00") -> httpx.Response:
    """Book with two pictures; repeated requests have the same idempotency key."""
    form = {"doctorId": str(doctor), "appointmentDate": DAY.isoformat(), "appointmentTime": when, "reason": "Rash"}
    files = [("images", (name, picture(size=(640, 480))[0], "image/png")) for name in ("one.png", "two.png")]
    headers = {**patient.headers, "Idempotency-Key": f"booking-{patient.id}"}
    return clinic.api.post("/appointments/book", data=form, files=files, headers=headers)


def download(clinic: Clinic, patient: Person, url: str) -> bytes:
    def attempt() -> httpx.Response | None:
        with suppress(httpx.TransportError):  # a worker may outlive its killed master for a moment
            return clinic.api.get(url.removeprefix("/api"), headers=patient.headers)
        return None

    response = wait_for(attempt, what="a response")
    assert response.status_code == 200, response.text
    return response.content


def run_two_days_later(stack: Stack, *command: str) -> str:
    """The output of a flask command whose clock is two days ahead."""
    command_line = [sys.executable, "-m", "tests.faults.time_travel", "2", *command]
    return subprocess.run(command_line, cwd=ROOT, env=stack.env, check=True, capture_output=True, text=True).stdout


def stored_keys(stack: Stack) -> set[str]:
    root = Path(stack.env["UPLOADS_DIR"])
    keys = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert not any(key.startswith(INCOMING) for key in keys)
    return keys


@pytest.mark.long
def test_repeatedly_killed_purge_completes(system: System, clinic: Clinic) -> None:
    stack = system.stack
    kept, unattached = stored_keys(stack), [store_unattached_file(stack, nth) for nth in range(UNATTACHED_FILES)]
    clinic.database.files.insert_many(unattached)

    for limit in (UNATTACHED_FILES * 3 // 4, UNATTACHED_FILES // 2, UNATTACHED_FILES // 4):
        purge = stack.start("purge", sys.executable, "-m", "tests.faults.time_travel", "2", "uploads", "purge")
        wait_for(partial(has_fewer, stack, len(kept) + limit), what="the purge to delete files")
        kill_group(purge)
        assert stored_keys(stack) > kept
    run_two_days_later(stack, "uploads", "purge")

    assert stored_keys(stack) == kept
    assert clinic.database.files.count_documents({"_id": {"$in": [record["_id"] for record in unattached]}}) == 0
    assert run_two_days_later(stack, "uploads", "check") == NO_PROBLEMS


def has_fewer(stack: Stack, limit: int) -> bool:
    return len(stored_keys(stack)) < limit


def store_unattached_file(stack: Stack, nth: int) -> dict[str, Any]:
    """Store a file for an appointment that was never booked; returns its record."""
    key = f"appointments/reports/2026/11/appointment_{ObjectId()}_{nth}_report_x.png"
    record = records.file(key=key, filename=key.rpartition("/")[2], createdAt=clock.now())
    del record["attachedAt"]
    path = Path(stack.env["UPLOADS_DIR"]) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return record


@pytest.mark.slow
def test_five_concurrent_uploads_take_less_than_80_mb(
    system: System, tmp_path: Path, report_figure: ReportFigure
) -> None:
    photograph, env = largest_photograph(), {"WEB_CONCURRENCY": "1"}
    stack = stack_with(system.mongo, system.valkey, tmp_path / "alone", redis=0, parts=("web",), env=env)
    with stack, Clinic(stack, timeout=120) as clinic:
        doctor, patients = clinic.doctor(slots=CONCURRENT_UPLOADS + 1), clinic.patients(CONCURRENT_UPLOADS + 1)
        times = clinic.times(doctor)
        assert stack.web
        (worker,) = children(stack.web.pid)

        def send(nth: int) -> int:
            form = {"doctorId": str(doctor), "appointmentDate": DAY.isoformat(), "appointmentTime": times[nth]}
            files = [("images", ("scan.jpg", BytesIO(photograph), "image/jpeg"))] * FILES_PER_UPLOAD
            headers = patients[nth].headers
            return clinic.api.post(
                "/appointments/book", data={**form, "reason": "Rash"}, files=files, headers=headers
            ).status_code

        assert send(0) == 201  # the first request imports the libraries
        with memory_samples(worker) as usage, ThreadPoolExecutor(CONCURRENT_UPLOADS) as pool:
            statuses = list(pool.map(send, range(1, CONCURRENT_UPLOADS + 1)))

    assert statuses == [201] * CONCURRENT_UPLOADS
    report_figure(f"{(max(usage) - usage[0]) / 1e6:.1f} MB more, of {len(usage)} samples")
    assert max(usage) - usage[0] < MAX_MEMORY_BYTES


def largest_photograph() -> bytes:
    """A photograph of the largest size that is decoded without reduction, in a file of the largest allowed size."""
    stream = BytesIO()
    Image.linear_gradient("L").resize((4160, 3120)).convert("RGB").save(stream, "JPEG")
    return stream.getvalue().ljust(MAX_FILE_BYTES, b"\0")


@contextmanager
def memory_samples(pid: int) -> Iterator[list[int]]:
    """Sample the proportional set size (PSS) of a process and its children continuously, in bytes."""
    samples, stop = [memory_bytes(pid)], threading.Event()

    def sample() -> None:
        while not stop.is_set():
            samples.append(memory_bytes(pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        stop.set()
        sampler.join()


def memory_bytes(pid: int) -> int:
    total = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # a process ended in the meantime
        child_pids = [child for thread in threads_of(pid) for child in children(pid, thread)]
        for each in (pid, *child_pids):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return total


def threads_of(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
