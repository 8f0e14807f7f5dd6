"""The texts of the dashboard are complete in each language."""

import re
from collections.abc import Iterator
from string import Formatter

import pytest
from babel.messages.catalog import Message

from arthomed.auth import rules as auth_rules
from arthomed.core.errors import ClinicError
from arthomed.dashboard import service_texts
from arthomed.dashboard.i18n import LANGUAGES
from arthomed.frontdesk import rules
from dev import texts

_VARIABLE = re.compile(r"%\(\w+\)s")
translated = pytest.mark.parametrize("language", texts.LANGUAGES)


def messages(language: str) -> list[Message]:
    return [message for message in texts.read(language) if message.id]


def test_each_language_but_english_has_a_file() -> None:
    assert {"en", *texts.LANGUAGES} == LANGUAGES.keys()


@translated
def test_every_text_of_code_and_templates_is_in_the_file(language: str) -> None:
    wanted = {(message.context, message.id) for message in texts.find() if message.id}

    assert {(message.context, message.id) for message in messages(language)} == wanted


@translated
def test_every_text_is_translated_and_differs_from_english(language: str) -> None:
    assert [one.id for one in messages(language) if not one.string or one.string == one.id] == []


@translated
def test_translations_have_the_variables_of_the_text(language: str) -> None:
    def variables(text: object) -> set[str]:
        found = set(_VARIABLE.findall(str(text)))
        return found or {name for _, name, _, _ in Formatter().parse(str(text).replace("%", "")) if name}

    assert [one.id for one in messages(language) if variables(one.id) != variables(one.string)] == []


@translated
def test_the_compiled_file_is_of_this_translation(language: str) -> None:
    assert texts.file_of(language).with_suffix(".mo").read_bytes() == texts.compiled(texts.read(language))


def _errors(base: type[ClinicError]) -> Iterator[type[ClinicError]]:
    for error in base.__subclasses__():
        yield error
        yield from _errors(error)


def test_where_a_patient_is_can_be_said_in_each_language() -> None:
    assert {*rules._WHERE.values(), rules.NOT_CONFIRMED} <= service_texts.MESSAGES


def test_the_refusals_of_signing_in_can_be_said_in_each_language() -> None:
    refusals = {error.message for error in _errors(auth_rules.CodeRefused)}

    wanted = {*refusals, auth_rules.StaffOnly.message, auth_rules.UserInactive.message}
    assert wanted <= service_texts.MESSAGES | service_texts.PLAIN.keys()
