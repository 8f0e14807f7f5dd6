"""A disk of uploads that is full while people go on sending."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.clinic import AUDIT_PASSED, Clinic, in_parallel, outcomes
from tests.faults.conftest import System
from tests.faults.test_uploads_killed import CLEAN, book_with_files, fetched, two_days_later
from tests.stack import Stack

SIZE = 4 * 1024 * 1024
CLIENTS = 6
NO_ROOM = (503, "SERVICE_UNAVAILABLE")


@pytest.fixture
def small_disk(system: System, tmp_path: Path) -> Iterator[Stack]:
    """A web process whose uploads have a file system of their own."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    stack = Stack(
        tmp_path,
        mongodb_uri=system.mongo.uri("arthomed_disk"),
        redis_url=system.valkey.url.removesuffix("/0") + "/5",
        parts=("web",),
        demo=False,
    )
    try:
        with stack:
            yield stack
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not a byte more fits in meanwhile."""
    filling = folder / "incoming" / "filling"
    filling.parent.mkdir(exist_ok=True)
    with filling.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filling.unlink()


@pytest.mark.long
def test_on_a_full_disk_files_are_refused_and_everything_else_goes_on(small_disk: Stack) -> None:
    folder = Path(small_disk.env["UPLOADS_DIR"])
    with Clinic(small_disk) as clinic:
        patients, doctor = clinic.patients(2 * CLIENTS), clinic.doctor(slots=1, capacity=2 * CLIENTS)
        with full(folder):
            refused = in_parallel(lambda who: book_with_files(clinic, who, doctor), patients[:CLIENTS])
            booked = in_parallel(lambda who: clinic.book(who, doctor), patients[CLIENTS:])
        visits = clinic.database.appointments.count_documents({"doctor": doctor})
        later = in_parallel(lambda who: book_with_files(clinic, who, doctor), patients[:CLIENTS])

        assert outcomes(refused) == {NO_ROOM: CLIENTS}
        assert (outcomes(booked), visits) == ({(201, "OK"): CLIENTS}, CLIENTS)
        assert outcomes(later) == {(201, "OK"): CLIENTS}
        for who, answer in zip(patients, later, strict=False):
            for image in answer.json()["data"]["appointment"]["images"]:
                assert fetched(clinic, who, image["url"]).startswith(b"\x89PNG")
        assert clinic.audit() == AUDIT_PASSED
    two_days_later(small_disk, "uploads", "purge")
    assert two_days_later(small_disk, "uploads", "check") == CLEAN
    assert list((folder / "incoming").iterdir()) == []
