"""Texts are normalised as they are typed and pasted."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arthomed.core import text


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("one\x0btwo", "one\ntwo"),
        ("one\u2028two\u2029three", "one\ntwo\nthree"),
        ("one\r\ntwo\rthree\x0cfour\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("one\ttwo", "one\ttwo"),
        ("\n one \n", "one"),
        ("one\u00a0two\u202fthree\u3000four", "one two three four"),
        ("\u202aone\u202c\u200e\u2066two\u2069", "onetwo"),
        ("\ufeffone\u200btwo\u00ad", "onetwo"),
        ("Jose\u0301", "Jos\u00e9"),
        ("non\x1ebreaking op\x1ftional", "non-breaking optional"),
        ("\uf0b7 first", "\u2022 first"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("It\u2019s \u201cfine\u201d", "It\u2019s \u201cfine\u201d"),
    ],
)
def test_text_has_one_form_and_no_invisible_marks(typed: str, normalised: str) -> None:
    assert text.normalise(typed) == normalised


def test_line_breaks_of_one_line_become_spaces() -> None:
    assert text.one_line("one \n\n two\tthree\u2028") == "one two three"


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("\u2018a\u2019 \u201cb\u201d", "'a' \"b\""),
        ("1\u20132\u20143\u22124", "1-2-3-4"),
        ("\u0967\u0968 \u09e7 \uff13 \u0664", "12 1 3 4"),
    ],
)
def test_plain_text_has_plain_quotes_dashes_and_digits(typed: str, plain: str) -> None:
    assert text.plain(typed) == plain


@pytest.mark.parametrize(
    "typed", ["", " \n\t", "\u200c\u200d", "\u00a0", "\u200b\ufeff", "\u202a\u202c", "\u3164", "\u00ad"]
)
def test_text_without_a_visible_character_is_blank(typed: str) -> None:
    assert text.is_blank(typed)


@pytest.mark.parametrize("typed", ["0", ".", "\u0915", "\x00"])
def test_text_with_a_visible_or_forbidden_character_is_not_blank(typed: str) -> None:
    assert not text.is_blank(typed)


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x1b", "\x7f", "\ud800", "\ue000", "\ufffe", "\ufdd0", "\U0010ffff"])
def test_control_and_private_characters_are_forbidden(char: str) -> None:
    assert text.forbidden_character(f"a{char}b") == char


@pytest.mark.parametrize("char", ["\n", "\t", "\U0001fa77", "\U0001fae9", "\u20c1", "\ufffd", "\ufffc", "\u0378"])
def test_characters_that_are_newer_than_the_tables_of_python_are_allowed(char: str) -> None:
    assert text.forbidden_character(char) is None


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(typed: str) -> None:
    for normalise in (text.normalise, text.one_line, text.plain):
        once = normalise(typed)
        assert normalise(once) == once


def test_blank_check_of_a_large_text_is_fast() -> None:
    begin = time.monotonic()

    assert not text.is_blank("\u0301\u0327" * 100_000)
    assert time.monotonic() - begin < 1
