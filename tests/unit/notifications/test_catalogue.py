"""The words of all messages: every file is whole, within TRAI's bounds, and within its budget."""

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from arthomed.appointments import messages
from arthomed.auth.service import otp
from arthomed.notifications import catalogue
from arthomed.notifications.catalogue import FOLDER, VARIABLES, CatalogueError, TooLong, Words, languages, words
from arthomed.notifications.lengths import utf16

KINDS = {codes.MESSAGE, *messages.KINDS, messages.UNCONFIRMED, messages.REFUNDED}
VALUES: dict[str, Any] = {
    "amount": 500,
    "code": "123456",
    "doctor": "Dr Meera Iyer",
    "minutes": 5,
    "patient": "Asha Verma",
    "reason": "On leave",
    "when": "01-12-2026 09:00",
}
EVERY_TEXT = [
    pytest.param(language, kind, id=f"{language}-{kind}") for language in languages() for kind in sorted(KINDS)
]


def test_there_are_english_hindi_and_another_language() -> None:
    assert {"en", "hi"} < set(languages())


@pytest.mark.parametrize("language", languages())
def test_each_language_has_every_kind_of_message_and_no_other(language: str) -> None:
    assert languages()[language].message.keys() == KINDS


@pytest.mark.parametrize(("language", "kind"), EVERY_TEXT)
def test_each_message_can_be_worded(language: str, kind: str) -> None:
    found = languages()[language]

    sms = found.sms(kind, "9876543210", entity_id="1" * 19, **VALUES)
    email = found.email(kind, "asha@example.com", reference="1", **VALUES)

    assert "{" not in sms.text + email.subject + email.text
    assert "Arthomed" in sms.text  # the brand, which carriers want to see
    assert email.html is not None
    assert all(escape(paragraph) in email.html for paragraph in email.text.split("\n\n"))


@pytest.mark.parametrize(("language", "kind"), EVERY_TEXT)
def test_an_sms_goes_by_its_registered_template(language: str, kind: str) -> None:
    template = languages()[language].sms(kind, "9876543210", entity_id="1" * 19, **VALUES).template

    assert re.fullmatch(r"[A-Z]{6}", template.header)
    assert re.fullmatch(r"\d{19}", template.id)
    assert template.entity_id == "1" * 19


def test_a_template_id_stands_for_one_text() -> None:
    ids = [wording.template_id for one in languages().values() for wording in one.message.values()]

    assert len(set(ids)) == len(ids) == len(languages()) * len(KINDS)


@settings(max_examples=30)
@given(doctor=st.text(min_size=1), reason=st.text(min_size=1))
def test_an_sms_keeps_to_its_budget_whatever_people_are_called_and_write(doctor: str, reason: str) -> None:
    for one in languages().values():
        for kind, wording in one.message.items():
            sms = one.sms(kind, "9876543210", entity_id="", **{**VALUES, "doctor": doctor, "reason": reason})
            assert sms.segments <= wording.segments
            assert utf16(sms.text) <= utf16(wording.longest)


def test_no_variable_may_be_longer_than_carriers_let_through() -> None:
    assert max(variable.most for variable in VARIABLES.values()) <= 30


def test_names_and_reasons_are_shortened_in_an_sms_and_whole_in_a_letter() -> None:
    named = {**VALUES, "doctor": "Dr Venkata Subramanian Narasimha Raju", "reason": "Called to an emergency at night"}
    kind = "appointment-rejected"

    sms = words("en").sms(kind, "9876543210", entity_id="", **named)
    email = words("en").email(kind, "asha@example.com", reference="1", **named)

    assert sms.text.endswith("with Dr V. S. Narasimha Raju. Reason: Called to an emergency at...")
    assert "with Dr Venkata Subramanian Narasimha Raju. Reason: Called to an emergency at night" in email.text


@pytest.mark.parametrize("wrong", [{"code": "1234567"}, {"minutes": 100}])
def test_what_can_not_be_shortened_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TooLong):
        words("en").sms("code", "9876543210", entity_id="", **{**VALUES, **wrong})


def test_what_people_wrote_is_text_in_a_letter_and_nothing_else() -> None:
    hostile = {**VALUES, "doctor": "{patient} <b>&", "patient": '<img src="x" onerror=alert(1)>'}

    email = words("en").email("appointment-confirmed", "asha@example.com", reference="1", **hostile)

    assert email.html is not None
    assert "<img" not in email.html
    assert "<b>" not in email.html
    assert "{patient} &lt;b&gt;&amp;" in email.html
    assert "with {patient} <b>& on" in email.text


@pytest.mark.parametrize("language", [None, "", "xx", "../en"])
def test_whoever_has_chosen_no_language_that_there_is_reads_english(language: str | None) -> None:
    assert words(language).language == "en"


def test_a_time_is_written_as_the_language_has_it() -> None:
    moment = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)

    assert (words("en").time(moment), words("hi").time(moment)) == ("01 Dec 2026 at 09:05", "01-12-2026 09:05")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The catalogue, to be spoilt."""
    for file in FOLDER.glob("*.toml"):
        shutil.copy(file, tmp_path)
    return tmp_path


def spoil(file: Path, pattern: str, replacement: str) -> None:
    changed, count = re.subn(pattern, replacement, file.read_text("utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    file.write_text(changed, "utf-8")


def test_another_language_is_one_more_file(folder: Path) -> None:
    text = (folder / "mr.toml").read_text("utf-8")
    (folder / "kok.toml").write_text(text.replace("11071764020000003", "11071764020000009"), "utf-8")

    found = catalogue.read(folder)["kok"]

    assert isinstance(found, Words)
    assert found.message.keys() == KINDS


@pytest.mark.parametrize(
    ("pattern", "replacement", "told"),
    [
        (r'^header = "ARTHMD"', 'header = "ARTHOMED"', "hi: the header 'ARTHOMED' is not six letters"),
        (r'^template_id = "\d+"', 'template_id = "123"', "hi: code has no template id of 19 digits"),
        (r'^template_id = "\d+"', 'template_id = "1107176402000000101"', "1107176402000000101 is there 2 times"),
        (r"\{code\}", "", "hi: code.sms is missing, or has other variables than in en"),
        (r"\{code\}", "{code!r}", "hi: code.sms is missing, or has other variables than in en"),
        (r"\{code\}", "{code} {", "hi: code.sms is missing, or has other variables than in en"),
        (r"\[message.code\]", "[message.other]", "hi: other.sms is not in en"),
        (r"\[message.code\]", "[message.other]", "hi: code.email is missing"),
        (r'^greeting = ".*"', "", "hi: letter.greeting is missing"),
        (r"कोड है", "कोड है " * 3, "hi: code may be 2 SMS long (UCS-2, 78 units), its budget is 1"),
        (r'^when = ".*"', 'when = "%A, %d %B %Y %H:%M"', "hi: its times are too long"),
        (r'^subject = ".*"', "", "hi.toml: "),
        (r'^name = ".*"', 'name = "', "hi.toml: "),
        (r'^name = ".*"', "", "hi.toml: "),
        (r'^name = ".*"', 'name = "x"\nmore = 1', "hi.toml: "),
    ],
)
def test_a_fault_in_a_file_stops_the_start_and_is_named(
    folder: Path, pattern: str, replacement: str, told: str
) -> None:
    spoil(folder / "hi.toml", pattern, replacement)

    with pytest.raises(CatalogueError) as refused:
        catalogue.read(folder)

    assert told in str(refused.value)


def test_a_variable_that_nobody_gave_a_length_is_a_fault(folder: Path) -> None:
    for file in folder.glob("*.toml"):
        spoil(file, r"\{doctor\}", "{clinic}")

    with pytest.raises(CatalogueError, match="has variables without a length: 'clinic'"):
        catalogue.read(folder)
