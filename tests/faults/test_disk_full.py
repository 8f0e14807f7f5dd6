"""Uploads and other requests while the disk for uploads is full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.clinic import AUDIT_PASSED, Clinic, in_parallel, outcomes
from tests.faults.conftest import System
from tests.faults.test_uploads_killed import NO_PROBLEMS, book_with_files, download, run_two_days_later
from tests.stack import Stack, stack_with

DISK_BYTES = 4 * 1024 * 1024
CLIENTS = 6
DISK_FULL = (503, "SERVICE_UNAVAILABLE")


@pytest.fixture
def small_disk(system: System, tmp_path: Path) -> Iterator[Stack]:
    """A web process whose folder for uploads is a small file system of its own."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting file systems is not permitted here")
    try:
        with stack_with(system.mongo, system.valkey, tmp_path, redis=5, parts=("web",)) as stack:
            yield stack
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Fill the file system within the block."""
    filler = folder / "incoming" / "filler"
    filler.parent.mkdir(exist_ok=True)
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@pytest.mark.long
def test_full_disk_rejects_only_requests_with_files(small_disk: Stack) -> None:
    folder = Path(small_disk.env["UPLOADS_DIR"])
    with Clinic(small_disk) as clinic:
        patients, doctor = clinic.patients(2 * CLIENTS), clinic.doctor(slots=1, capacity=2 * CLIENTS)
        with full_disk(folder):
            refused = in_parallel(lambda who: book_with_files(clinic, who, doctor), patients[:CLIENTS])
            booked = in_parallel(lambda who: clinic.book(who, doctor), patients[CLIENTS:])
        appointments = clinic.database.appointments.count_documents({"doctor": doctor})
        retried = in_parallel(lambda who: book_with_files(clinic, who, doctor), patients[:CLIENTS])

        assert outcomes(refused) == {DISK_FULL: CLIENTS}
        assert (outcomes(booked), appointments) == ({(201, "OK"): CLIENTS}, CLIENTS)
        assert outcomes(retried) == {(201, "OK"): CLIENTS}
        for who, response in zip(patients, retried, strict=False):
            for image in response.json()["data"]["appointment"]["images"]:
                assert download(clinic, who, image["url"]).startswith(b"\x89PNG")
        assert clinic.audit() == AUDIT_PASSED
    run_two_days_later(small_disk, "uploads", "purge")
    assert run_two_days_later(small_disk, "uploads", "check") == NO_PROBLEMS
    assert list((folder / "incoming").iterdir()) == []
