"""The message catalogue: every file is complete, within TRAI's limits, and within its SMS length."""

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
from arthomed.notifications.catalogue import (
    FOLDER,
    VARIABLES,
    CatalogueError,
    Language,
    VariableTooLong,
    language,
    languages,
)
from arthomed.notifications.lengths import utf16_length
from arthomed.users.dependents import Dependent

ABOUT_APPOINTMENTS = {*messages.KINDS, messages.UNCONFIRMED, messages.REFUNDED}
ABOUT_MEMBERS = {messages.of_person(kind, Dependent()) for kind in ABOUT_APPOINTMENTS}
KINDS = {otp.MESSAGE} | ABOUT_APPOINTMENTS | ABOUT_MEMBERS
VALUES: dict[str, Any] = {
    "amount": 500,
    "code": "123456",
    "doctor": "Dr Meera Iyer",
    "member": "Aarav Verma",
    "minutes": 5,
    "patient": "Asha Verma",
    "reason": "On leave",
    "when": "01-12-2026 09:00",
}
EVERY_TEXT = [pytest.param(code, kind, id=f"{code}-{kind}") for code in languages() for kind in sorted(KINDS)]


def test_english_hindi_and_another_language_exist() -> None:
    assert {"en", "hi"} < set(languages())


@pytest.mark.parametrize("code", languages())
def test_each_language_has_exactly_all_kinds_of_messages(code: str) -> None:
    assert languages()[code].message.keys() == KINDS


@pytest.mark.parametrize(("code", "kind"), EVERY_TEXT)
def test_each_message_can_be_rendered(code: str, kind: str) -> None:
    found = languages()[code]

    sms = found.render_sms(kind, "9876543210", entity_id="1" * 19, **VALUES)
    email = found.render_email(kind, "asha@example.com", reference="1", **VALUES)

    assert "{" not in sms.text + email.subject + email.text
    assert "Arthomed" in sms.text  # the carriers require the brand
    assert email.html is not None
    assert all(escape(paragraph) in email.html for paragraph in email.text.split("\n\n"))


@pytest.mark.parametrize(("code", "kind"), EVERY_TEXT)
def test_sms_names_its_registered_template(code: str, kind: str) -> None:
    template = languages()[code].render_sms(kind, "9876543210", entity_id="1" * 19, **VALUES).template

    assert re.fullmatch(r"[A-Z]{6}", template.header)
    assert re.fullmatch(r"\d{19}", template.id)
    assert template.entity_id == "1" * 19


def test_template_ids_are_unique() -> None:
    ids = [template.template_id for one in languages().values() for template in one.message.values()]

    assert len(set(ids)) == len(ids) == len(languages()) * len(KINDS)


@settings(max_examples=30)
@given(doctor=st.text(min_size=1), member=st.text(min_size=1), reason=st.text(min_size=1))
def test_sms_never_exceeds_its_segments_for_any_name_and_reason(doctor: str, member: str, reason: str) -> None:
    values = {**VALUES, "doctor": doctor, "member": member, "reason": reason}
    for one in languages().values():
        for kind, template in one.message.items():
            sms = one.render_sms(kind, "9876543210", entity_id="", **values)
            assert sms.segments <= template.segments
            assert utf16_length(sms.text) <= utf16_length(template.longest_sms)


def test_no_variable_exceeds_the_limit_of_the_carriers() -> None:
    assert max(variable.max_length for variable in VARIABLES.values()) <= 30


def test_names_and_reasons_are_shortened_in_an_sms_but_not_in_an_email() -> None:
    values = {**VALUES, "doctor": "Dr Venkata Subramanian Narasimha Raju", "reason": "Called to an emergency at night"}
    kind = "appointment-rejected"

    sms = language("en").render_sms(kind, "9876543210", entity_id="", **values)
    email = language("en").render_email(kind, "asha@example.com", reference="1", **values)

    assert sms.text.endswith("with Dr V. S. Narasimha Raju. Reason: Called to an emergency at...")
    assert "with Dr Venkata Subramanian Narasimha Raju. Reason: Called to an emergency at night" in email.text


@pytest.mark.parametrize(("code", "kind"), EVERY_TEXT)
def test_link_or_number_in_a_typed_value_is_replaced_in_an_sms_but_not_in_an_email(code: str, kind: str) -> None:
    found, link = languages()[code], "Dr evil.in/98765 43210"
    typed = {**VALUES, **dict.fromkeys(found.neutral, link)}

    sms = found.render_sms(kind, "9876543210", entity_id="", **typed)
    email = found.render_email(kind, "asha@example.com", reference="1", **typed)

    assert sms.text == found.message[kind].sms.format_map({**VALUES, **found.neutral})
    assert link in email.text


@pytest.mark.parametrize("invalid", [{"code": "1234567"}, {"minutes": 100}])
def test_long_value_of_a_fixed_variable_is_refused(invalid: dict[str, object]) -> None:
    with pytest.raises(VariableTooLong):
        language("en").render_sms("code", "9876543210", entity_id="", **{**VALUES, **invalid})


def test_values_are_escaped_in_the_html_of_an_email() -> None:
    hostile = {**VALUES, "doctor": "{patient} <b>&", "patient": '<img src="x" onerror=alert(1)>'}

    email = language("en").render_email("appointment-confirmed", "asha@example.com", reference="1", **hostile)

    assert email.html is not None
    assert "<img" not in email.html
    assert "<b>" not in email.html
    assert "{patient} &lt;b&gt;&amp;" in email.html
    assert "with {patient} <b>& on" in email.text


@pytest.mark.parametrize("code", [None, "", "xx", "../en"])
def test_unknown_language_falls_back_to_english(code: str | None) -> None:
    assert language(code).code == "en"


def test_time_is_formatted_by_the_language() -> None:
    moment = datetime(2026, 12, 1, 9, 5, tzinfo=UTC)

    assert language("en").format_time(moment) == "01 Dec 2026 at 09:05"
    assert language("hi").format_time(moment) == "01-12-2026 09:05"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the catalogue that a test may change."""
    for file in FOLDER.glob("*.toml"):
        shutil.copy(file, tmp_path)
    return tmp_path


def replace_once(file: Path, pattern: str, replacement: str) -> None:
    changed, count = re.subn(pattern, replacement, file.read_text("utf-8"), count=1, flags=re.MULTILINE)
    assert count == 1
    file.write_text(changed, "utf-8")


def test_additional_language_is_an_additional_file(folder: Path) -> None:
    text = (folder / "mr.toml").read_text("utf-8")
    (folder / "kok.toml").write_text(text.replace("11071764020000003", "11071764020000009"), "utf-8")

    found = catalogue.load(folder)["kok"]

    assert isinstance(found, Language)
    assert found.message.keys() == KINDS


@pytest.mark.parametrize(
    ("pattern", "replacement", "fault"),
    [
        (r'^header = "ARTHMD"', 'header = "ARTHOMED"', "hi: the header 'ARTHOMED' is not six letters"),
        (r'^template_id = "\d+"', 'template_id = "123"', "hi: code has no template id of 19 digits"),
        (r'^template_id = "\d+"', 'template_id = "1107176402000000101"', "1107176402000000101 is used 2 times"),
        (r"\{code\}", "", "hi: code.sms is missing, or has other variables than in en"),
        (r"\{code\}", "{code!r}", "hi: code.sms is missing, or has other variables than in en"),
        (r"\{code\}", "{code} {", "hi: code.sms is missing, or has other variables than in en"),
        (r"\[message.code\]", "[message.other]", "hi: other.sms is not in en"),
        (r"\[message.code\]", "[message.other]", "hi: code.email is missing"),
        (r'^greeting = ".*"', "", "hi: letter.greeting is missing"),
        (r"कोड है", "कोड है " * 3, "hi: code may be 2 SMS long (UCS-2, 78 units), its limit is 1"),
        (r'^reason = ".*"', "", "hi: `neutral` needs words for exactly doctor, member, patient, reason"),
        (
            r'^doctor = ".*"',
            'doctor = "x"\nclinic = "x"',
            "hi: `neutral` needs words for exactly doctor, member, patient, reason",
        ),
        (r'^doctor = ".*"', f'doctor = "{"x" * 31}"', "hi: neutral.doctor has not 1 to 30 characters"),
        (r'^doctor = ".*"', 'doctor = ""', "hi: neutral.doctor has not 1 to 30 characters"),
        (r"^\[neutral\]", "[other]", "hi.toml: "),
        (r'^when = ".*"', 'when = "%A, %d %B %Y %H:%M"', "hi: `when` makes times that are too long"),
        (r'^subject = ".*"', "", "hi.toml: "),
        (r'^name = ".*"', 'name = "', "hi.toml: "),
        (r'^name = ".*"', "", "hi.toml: "),
        (r'^name = ".*"', 'name = "x"\nmore = 1', "hi.toml: "),
    ],
)
def test_fault_in_a_file_is_reported(folder: Path, pattern: str, replacement: str, fault: str) -> None:
    replace_once(folder / "hi.toml", pattern, replacement)

    with pytest.raises(CatalogueError) as refused:
        catalogue.load(folder)

    assert fault in str(refused.value)


def test_variable_without_a_length_is_reported(folder: Path) -> None:
    for file in folder.glob("*.toml"):
        replace_once(file, r"\{doctor\}", "{clinic}")

    with pytest.raises(CatalogueError, match="has variables without a length: 'clinic'"):
        catalogue.load(folder)
