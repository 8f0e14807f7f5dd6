"""Which storage keys are valid."""

import pytest

from arthomed.files.storage import is_key
from tests.infra.storage_driver import KEY, OTHER_KEY


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        OTHER_KEY,
        "appointments/reports/2024/01/appointment_672b5678_1642234567890_report_x-Y_9.pdf",
        "profiles/2024/01/user_672b9012_1642234567890_avatar_Ab3.jpg",
        "profiles/2024/01/a",
        "a/b",
        "quarantine/appointments/prescriptions/2026/11/a.png",
    ],
)
def test_key_of_the_application_is_valid(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "a",
        "a.jpg",
        "/a/b",
        "a/",
        "a//b",
        "./a/b",
        "../a/b",
        "a/../b",
        "a/./b",
        "a/..",
        "a/.b",
        "a/b.",
        "a/b.jpg.php",
        "a/b..jpg",
        "a/b.JPG",
        "a/-b",
        "a/b c.jpg",
        "a/b\n",
        "a/b\n.jpg",
        "a/b\0.jpg",
        "a\\b",
        "a/..\\b",
        "a/%2e%2e/b",
        "a/b%00.jpg",
        "a/b:stream",
        "a/b?versionId=1",
        "a/b#c",
        "a/ü.jpg",
        "a/\u202egpj.exe",
        "a/١.jpg",  # noqa: RUF001  an Arabic digit, on purpose
        "A/b",
        "~/b",
        "s3://bucket/b",
        "incoming/b",
        "incoming/a/b",
        "a/" * 9 + "b",
        "a/" + "b" * 151,
        "a" * 41 + "/b",
        "a/b.abcdef",
    ],
)
def test_any_other_key_is_invalid(key: str) -> None:
    assert not is_key(key)
