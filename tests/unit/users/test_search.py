"""What finds a person: beginnings of words, numbers, addresses; and who may be registered twice."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arthomed.users import rules, search
from arthomed.users.search import Person, Prefixes

MOBILE, EMAIL = "9876543210", "Asha.V@example.com"
NAMES = st.lists(st.text("abzकர", min_size=2, max_size=6), min_size=1, max_size=4, unique_by=lambda word: word[:2])


def is_found(searched: list[Prefixes], name: str, mobile: str = MOBILE, email: str | None = None) -> bool:
    """As MongoDB matches `search_index.condition`."""
    keys, words = search.keys_of(name, mobile, email), search.words_of(name)
    return any(
        any(key.startswith(one.key) for key in keys)
        and all(any(word.startswith(start) for word in words) for start in one.words)
        for one in searched
    )


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Asha Verma", "asha verma"),
        ("Asha Verma", "VERMA asha"),
        ("Asha Verma", "ver as"),
        ("Asha Verma", "ashav"),
        ("Asha Devi Verma", "ver as de"),
        ("Asha Devi Verma", "a d v"),
        ("R Kumar", "r kumar"),
        ("R. Kumar", "kumar r"),
        ("A.K. Gopalan", "AK Gop"),
        ("A K Gopalan", "A.K. gopalan"),
        ("Mr. D'Souza", "dsouza"),
        ("Mr. D'Souza", "d\u2019souza"),
        ("Mr. D'Souza", "souza mr"),
        ("Mr. D'Souza", "Mr. D"),
        ("D Souza", "d'souza"),
        ("DSouza", "d souza"),
        ("Anne-Marie", "annemarie"),
        ("Anne-Marie", "marie anne"),
        ("Ravi S/o Mohan", "s/o mohan"),
        ("\u00c1lvaro", "alvaro"),
        ("Alvaro", "\u00e1lv"),
        ("आशा वर्मा", "वर आ"),
        ("आशा वर्मा", "वर्मा"),
        ("फ़ातिमा", "फातिमा"),
        ("கவிதா ரவி", "ரவி க"),
        ("Asha\u00a0\u200bVerma", "asha ver"),
    ],
)
def test_a_name_is_found_by_the_beginnings_of_its_words(name: str, typed: str) -> None:
    assert is_found(search.by_name(typed), name)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Asha Verma", "sha"),
        ("Asha Verma", "asha kumar"),
        ("Asha Verma", "erma"),
        ("Asha Verma", "asha v r"),
        ("Asha Verma", "(x|a.*)$"),
        ("Asha Verma", "9876"),
        ("आशा", "asha"),
    ],
)
def test_a_name_is_not_found_by_anything_else(name: str, typed: str) -> None:
    assert not is_found(search.by_name(typed), name)


@given(NAMES, st.data())
def test_beginnings_of_at_least_two_letters_find_a_name_in_any_order(words: list[str], data: st.DataObject) -> None:
    typed = [word[: data.draw(st.integers(2, len(word)))] for word in data.draw(st.permutations(words))]

    assert is_found(search.by_name(" ".join(typed)), " ".join(words))


@given(st.text(max_size=100))
def test_no_text_breaks_a_search(typed: str) -> None:
    search.of_patient(typed, with_families=False)
    search.of_user(typed)


def test_a_long_name_has_few_keys() -> None:
    assert len(search.keys_of("a " * 50, MOBILE, None)) <= 66


@pytest.mark.parametrize(
    "typed",
    ["3210", "43210", MOBILE, "+91 98765 43210", "098765-43210", "३२१०", " 98765 43210", "\u202a+919876543210\u202c"],
)
def test_a_number_is_found_by_its_last_digits_or_as_written(typed: str) -> None:
    assert is_found(search.of_patient(typed, with_families=False), "Asha", MOBILE)


@pytest.mark.parametrize("typed", ["9876", "4321", "0123", "6789"])
def test_a_patient_is_not_found_by_other_digits(typed: str) -> None:
    assert not is_found(search.of_patient(typed, with_families=False), "Asha", MOBILE)


@pytest.mark.parametrize("typed", ["a", "'", "  ", "123", "+", "()", "\u0301", "."])
def test_a_short_search_for_patients_is_none(typed: str) -> None:
    assert search.of_patient(typed, with_families=False) == []


@pytest.mark.parametrize("typed", ["कि", "ab", "a b", "Ö.B"])
def test_two_letters_are_enough(typed: str) -> None:
    assert search.of_patient(typed, with_families=False)


@pytest.mark.parametrize("typed", ["9876", "+91 9876", "3210", "asha.v@", "ASHA.V@EXAMPLE.COM", "asha.v", "verma", "v"])
def test_a_user_is_found_by_first_digits_and_address_too(typed: str) -> None:
    assert is_found(search.of_user(typed), "Asha Verma", MOBILE, EMAIL)


def test_a_patient_is_not_found_by_an_address() -> None:
    assert not is_found(
        search.of_patient("mail@example", with_families=False), "Asha Verma", MOBILE, "mail@example.com"
    )


BORN = datetime(1990, 4, 21, tzinfo=UTC)
ASHA = Person("Asha Verma", MOBILE, BORN)


@pytest.mark.parametrize(
    "other",
    [
        Person("VERMA  Asha", "9000000001", BORN),
        Person("Aasha Verma", "9123443210", None),
        Person("Asha Varma", "8876543210", BORN),
        Person("verma asha", "9123443210", datetime(1991, 4, 21, tzinfo=UTC)),
    ],
)
def test_records_may_be_of_one_person(other: Person) -> None:
    assert search.may_be_same(ASHA, other)
    assert search.may_be_same(other, ASHA)


@pytest.mark.parametrize(
    "other",
    [
        Person("Asha Verma", "9000000001", None),
        Person("Asha Varma", "9000000001", BORN),
        Person("Ravi Kumar", "9123443210", BORN),
    ],
)
def test_records_of_different_people(other: Person) -> None:
    assert not search.may_be_same(ASHA, other)


def test_two_unknown_dates_of_birth_are_not_the_same() -> None:
    assert not search.may_be_same(Person("Asha", MOBILE, None), Person("Asha", "9000000001", None))


def test_the_keys_of_a_placeholder_have_no_digits_as_words() -> None:
    assert search.words_of(rules.placeholder_name(MOBILE)) == ["patient"]
