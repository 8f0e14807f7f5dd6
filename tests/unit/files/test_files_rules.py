"""What may be uploaded, and how stored files are called."""

import re
from datetime import UTC, date, datetime

import pytest
from bson import ObjectId

from arthomed.core.errors import ClinicError
from arthomed.files import rules
from arthomed.files.rules import MOST_BYTES, Category, FileNotReady, FileTooLarge, Kind, Place, State, TooManyFiles
from arthomed.files.storage import is_key

ID = ObjectId("672b1234a1b2c3d4e5f60718")
NOW = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)


@pytest.mark.parametrize("sizes", [[], [1], [MOST_BYTES] * 5], ids=["none", "one", "five full ones"])
def test_five_files_of_ten_megabytes_may_be_taken(sizes: list[int]) -> None:
    assert rules.ensure_may_be_taken(sizes) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(("sizes", "error"), [([1] * 6, TooManyFiles), ([1, MOST_BYTES + 1], FileTooLarge)])
def test_more_is_refused(sizes: list[int], error: type[ClinicError]) -> None:
    with pytest.raises(error):
        rules.ensure_may_be_taken(sizes)


def test_of_one_picture_there_is_one() -> None:
    with pytest.raises(TooManyFiles, match="1 file can"):
        rules.ensure_may_be_taken([1, 1], most=1)


@pytest.mark.parametrize(("there", "more", "fits"), [(0, 5, True), (45, 5, True), (46, 5, False)])
def test_a_record_has_fifty_files_at_most(there: int, more: int, *, fits: bool) -> None:
    try:
        rules.ensure_has_room(there, more)
    except TooManyFiles:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(("mime_type", "is_picture"), [("image/png", True), ("application/pdf", False)])
def test_a_portrait_is_a_picture(mime_type: str, *, is_picture: bool) -> None:
    try:
        rules.ensure_are_pictures([mime_type])
    except rules.NoPicture:
        assert not is_picture
    else:
        assert is_picture


@pytest.mark.parametrize(
    ("place", "key"),
    [
        (
            Place(Kind.APPOINTMENTS, Category.PRESCRIPTIONS, ID, ID),
            r"appointments/prescriptions/2026/12/appointment_672b1234a1b2c3d4e5f60718_1796068800000_prescription_s.pdf",
        ),
        (
            Place(Kind.APPOINTMENTS, Category.REPORTS, ID, ID),
            r"appointments/reports/2026/12/appointment_672b1234a1b2c3d4e5f60718_1796068800000_report_s.pdf",
        ),
        (
            Place(Kind.PROFILES, Category.AVATARS, ID, ID),
            r"profiles/2026/12/user_672b1234a1b2c3d4e5f60718_1796068800000_avatar_s.pdf",
        ),
    ],
    ids=["prescription", "report", "avatar"],
)
def test_a_file_is_stored_where_the_specification_says(place: Place, key: str) -> None:
    made = rules.key_of(place, "pdf", now=NOW, today=date(2026, 12, 1), secret="s")

    assert re.fullmatch(key, made)
    assert is_key(made)
    assert is_key(rules.thumbnail_of(made))


@pytest.mark.parametrize(
    ("told", "shown"),
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
        ('a"b;c.png', "ab;c.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("", "file.jpg"),
        ("...", "file.jpg"),
        ("x" * 300 + ".png", "x" * 100 + ".jpg"),
    ],
    ids=str,
)
def test_a_name_is_given_back_without_its_tricks_and_with_the_true_extension(told: str, shown: str) -> None:
    assert rules.shown_name(told, "jpg") == shown


def test_what_waits_for_the_scanner_can_not_be_read() -> None:
    assert rules.ensure_may_be_read(State.READY) is None  # type: ignore[func-returns-value]
    with pytest.raises(FileNotReady):
        rules.ensure_may_be_read(State.WAITING)
