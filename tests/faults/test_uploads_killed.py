"""Files that are on their way in or out when processes are killed, and the memory that they take."""

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
from arthomed.files.models import File
from arthomed.files.rules import Category, Kind, State
from arthomed.files.storage import INCOMING
from tests.factories import picture
from tests.faults.clinic import DAY, Clinic, Person
from tests.faults.conftest import FULL, ReportFigure, System
from tests.faults.test_killed_processes import kill_at_random
from tests.stack import ROOT, Stack, children, kill_group, wait_for

UPLOADS = 100 if FULL else 12
AT_ONCE = 5
FILES = 5  # of each upload
PURGED = 1500
FULL_FILE = 10 * 1024 * 1024
MOST_MEMORY = 80 * 1024 * 1024
CLEAN = "Every stored file has its record, and every record its file.\n"


@pytest.mark.long
def test_uploads_cut_off_by_kills_leave_nothing_unaccounted_for(system: System, clinic: Clinic) -> None:
    stack = system.stack
    patients, doctor = clinic.patients(UPLOADS), clinic.doctor(slots=20, capacity=UPLOADS // 10)
    times = clinic.times(doctor)

    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(booked_with_files, clinic, patient, doctor, times[nth % len(times)])
            for nth, patient in enumerate(patients)
        ]
        kill_at_random(stack, until=lambda: all(one.done() for one in asked))
        answered = [one.result() for one in asked]

    for patient, images in zip(patients, answered, strict=True):
        for image in images:
            record = clinic.database.files.find_one({"filename": image["filename"]})
            assert record
            assert hashlib.sha256(fetched(clinic, patient, image["url"])).hexdigest() == record["sha256"]
    assert two_days_later(stack, "uploads", "purge")
    assert two_days_later(stack, "uploads", "check") == CLEAN
    records = list(clinic.database.files.find())
    assert stored(stack) == {key for record in records for key in (record["key"], record["thumbnail"])}
    assert len(records) == 2 * UPLOADS


def booked_with_files(clinic: Clinic, patient: Person, doctor: ObjectId, when: str) -> list[dict[str, Any]]:
    """As a phone does it: the same booking again, until there is an answer."""

    def attempt() -> list[dict[str, Any]] | None:
        with suppress(httpx.TransportError):
            answer = book_with_files(clinic, patient, doctor, when)
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                images: list[dict[str, Any]] = answer.json()["data"]["appointment"]["images"]
                return images
        return None

    return wait_for(attempt, seconds=90, what="a booking")


def book_with_files(clinic: Clinic, patient: Person, doctor: ObjectId, when: str = "00:00") -> httpx.Response:
    """Two pictures, and the same key each time."""
    form = {"doctorId": str(doctor), "appointmentDate": DAY.isoformat(), "appointmentTime": when, "reason": "Rash"}
    files = [("images", (name, picture(size=(640, 480))[0], "image/png")) for name in ("one.png", "two.png")]
    headers = {**patient.headers, "Idempotency-Key": f"booking-{patient.id}"}
    return clinic.api.post("/appointments/book", data=form, files=files, headers=headers)


def fetched(clinic: Clinic, patient: Person, url: str) -> bytes:
    def attempt() -> httpx.Response | None:
        with suppress(httpx.TransportError):  # of a process that outlived its master for a moment
            return clinic.api.get(url.removeprefix("/api"), headers=patient.headers)
        return None

    answer = wait_for(attempt, what="an answer")
    assert answer.status_code == 200, answer.text
    return answer.content


def two_days_later(stack: Stack, *command: str) -> str:
    """What a flask command says then."""
    later = [sys.executable, "-m", "tests.faults.time_travel", "2", *command]
    return subprocess.run(later, cwd=ROOT, env=stack.env, check=True, capture_output=True, text=True).stdout


def stored(stack: Stack) -> set[str]:
    root = Path(stack.env["UPLOADS_DIR"])
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert not any(key.startswith(INCOMING) for key in found)
    return found


@pytest.mark.long
def test_a_purge_that_is_killed_again_and_again_comes_to_its_end(system: System, clinic: Clinic) -> None:
    stack = system.stack
    kept, unwanted = stored(stack), [unattached(stack, nth) for nth in range(PURGED)]
    clinic.database.files.insert_many([file.to_mongo() for file in unwanted])

    for most in (PURGED * 3 // 4, PURGED // 2, PURGED // 4):
        purge = stack.start("purge", sys.executable, "-m", "tests.faults.time_travel", "2", "uploads", "purge")
        wait_for(partial(has_fewer, stack, len(kept) + most), what="a purge that has begun")
        kill_group(purge)
        assert stored(stack) > kept
    two_days_later(stack, "uploads", "purge")

    assert stored(stack) == kept
    assert clinic.database.files.count_documents({"_id": {"$in": [file.id for file in unwanted]}}) == 0
    assert two_days_later(stack, "uploads", "check") == CLEAN


def has_fewer(stack: Stack, most: int) -> bool:
    return len(stored(stack)) < most


def unattached(stack: Stack, nth: int) -> File:
    """A file that was stored for a visit that never came to be."""
    now, key = clock.now(), f"appointments/reports/2026/11/appointment_{ObjectId()}_{nth}_report_x.png"
    file = File(
        id=ObjectId(),
        filename=key.rpartition("/")[2],
        key=key,
        kind=Kind.APPOINTMENTS,
        category=Category.REPORTS,
        record=ObjectId(),
        owner=ObjectId(),
        uploader=ObjectId(),
        original_name="x.png",
        mime_type="image/png",
        size=1,
        sha256="0" * 64,
        state=State.READY,
        created_at=now,
        updated_at=now,
    )
    path = Path(stack.env["UPLOADS_DIR"]) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return file


@pytest.mark.slow
def test_five_full_uploads_at_once_take_less_than_80_mb(
    system: System, tmp_path: Path, report_figure: ReportFigure
) -> None:
    photograph = as_large_as_allowed()
    with (
        Stack(
            tmp_path / "alone",
            mongodb_uri=system.mongo.uri("arthomed_memory"),
            redis_url=system.valkey.url,
            parts=("web",),
            demo=False,
            env={"WEB_CONCURRENCY": "1"},
        ) as stack,
        Clinic(stack, timeout=120) as clinic,
    ):
        doctor, patients = clinic.doctor(slots=AT_ONCE + 1), clinic.patients(AT_ONCE + 1)
        times = clinic.times(doctor)
        assert stack.web
        (worker,) = children(stack.web.pid)

        def send(nth: int) -> int:
            form = {"doctorId": str(doctor), "appointmentDate": DAY.isoformat(), "appointmentTime": times[nth]}
            files = [("images", ("scan.jpg", BytesIO(photograph), "image/jpeg"))] * FILES
            headers = patients[nth].headers
            return clinic.api.post(
                "/appointments/book", data={**form, "reason": "Rash"}, files=files, headers=headers
            ).status_code

        assert send(0) == 201  # the first request loads what all need
        with watched(worker) as usage, ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(send, range(1, AT_ONCE + 1)))

    assert answers == [201] * AT_ONCE
    report_figure(f"{(max(usage) - usage[0]) / 1e6:.1f} MB more, of {len(usage)} samples")
    assert max(usage) - usage[0] < MOST_MEMORY


def as_large_as_allowed() -> bytes:
    """A photograph of as many pixels as are decoded at full size, in a file of as many bytes as are let in."""
    stream = BytesIO()
    Image.linear_gradient("L").resize((4160, 3120)).convert("RGB").save(stream, "JPEG")
    return stream.getvalue().ljust(FULL_FILE, b"\0")


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """What a process and its children take, in bytes, again and again; memory that several share counts in parts."""
    found, end = [memory_of(pid)], threading.Event()

    def look() -> None:
        while not end.is_set():
            found.append(memory_of(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        end.set()
        watcher.join()


def memory_of(pid: int) -> int:
    total = 0
    with suppress(FileNotFoundError, ProcessLookupError):  # one ended in between
        begun = [child for thread in threads_of(pid) for child in children(pid, thread)]
        for each in (pid, *begun):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return total


def threads_of(pid: int) -> list[int]:
    return [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
