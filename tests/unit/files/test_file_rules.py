"""Upload limits, storage keys and download names."""

import re
from datetime import UTC, date, datetime

import pytest
from bson import ObjectId

from arthomed.files import rules
from arthomed.files.rules import MAX_FILE_BYTES, Category, Kind, UploadTarget
from arthomed.files.storage import is_key

ID = ObjectId("672b1234a1b2c3d4e5f60718")
NOW = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("sizes", [[], [1], [MAX_FILE_BYTES] * 5], ids=["none", "one", "five full ones"])
def test_upload_of_five_files_of_ten_megabytes_is_allowed(sizes: list[int]) -> None:
    assert rules.ensure_upload_allowed(sizes) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("target", "pattern"),
    [
        (
            UploadTarget(Kind.APPOINTMENTS, Category.PRESCRIPTIONS, ID, ID),
            r"appointments/prescriptions/2026/12/appointment_672b1234a1b2c3d4e5f60718_1796068800000_prescription_s.pdf",
        ),
        (
            UploadTarget(Kind.APPOINTMENTS, Category.REPORTS, ID, ID),
            r"appointments/reports/2026/12/appointment_672b1234a1b2c3d4e5f60718_1796068800000_report_s.pdf",
        ),
        (
            UploadTarget(Kind.PROFILES, Category.AVATARS, ID, ID),
            r"profiles/2026/12/user_672b1234a1b2c3d4e5f60718_1796068800000_avatar_s.pdf",
        ),
    ],
    ids=["prescription", "report", "avatar"],
)
def test_storage_key_has_the_specified_format(target: UploadTarget, pattern: str) -> None:
    key = rules.storage_key(target, "pdf", now=NOW, today=date(2026, 12, 1), secret="s")

    assert re.fullmatch(pattern, key)
    assert is_key(key)
    assert is_key(rules.thumbnail_key(key))


@pytest.mark.parametrize(
    ("client_name", "expected"),
    [
        ("report.pdf", "report.jpg"),
        ("report", "report.jpg"),
        ("report.pdf.exe", "report_pdf.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        (r"C:\Users\asha\scan.png", "scan.jpg"),
        ("/absolute/path.png", "path.jpg"),
        ("रिपोर्ट.png", "रिपोर्ट.jpg"),
        ("invoice\u202egnp.exe", "invoicegnp.jpg"),
        ("a\0b\r\nc.png", "abc.jpg"),
        ("Screenshot 9.41.00\u202fAM.png", "Screenshot 9_41_00 AM.jpg"),
        ("a\u00a0b\u2028c\td.png", "a bcd.jpg"),
        ("ക്\u200dഷ\u200cയ.png", "ക്\u200dഷ\u200cയ.jpg"),
        ("\U0001fae9 \U000323b0.png", "\U0001fae9 \U000323b0.jpg"),
        ("a\ufffe\ue000\ud800b.png", "ab.jpg"),
        ('a"b;c.png', "ab;c.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("", "file.jpg"),
        ("...", "file.jpg"),
        ("x" * 300 + ".png", "x" * 100 + ".jpg"),
    ],
    ids=str,
)
def test_download_name_is_safe_and_has_the_detected_extension(client_name: str, expected: str) -> None:
    assert rules.download_name(client_name, "jpg") == expected
