"""Normalisation of names and mobile numbers, and who can deactivate a user."""

import unicodedata
from datetime import date

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from arthomed.core.actor import SYSTEM
from arthomed.users import rules

ZWJ, ZWNJ = "\u200d", "\u200c"


@pytest.mark.parametrize(
    "text",
    [
        "9876543210",
        "+919876543210",
        "919876543210",
        "09876543210",
        "+91 98765 43210",
        "+91-98765-43210",
        "98765-43210",
        "0 98765 43210",
        "91 9876 543 210",
        "  9876543210  ",
        "+ 91 98 76 54 32 10",
        "9-8-7-6-5-4-3-2-1-0",
        "\u202a+91 98765 43210\u202c",
        "\u2066+91\u00a098765\u00a043210\u2069",
        "(+91) 98765-43210",
        "+91 (0) 98765 43210",
        "(98765) 43210",
        "00919876543210",
        "0091 98765 43210",
        "+9109876543210",
        "98765.43210",
        "98765\u201343210",
        "+91 98765\u201143210",
        "98765\t43210",
        "9876543210\n",
        "98765\u200b43210\ufeff",
        "\uff0b\uff19\uff11\uff19\uff18\uff17\uff16\uff15\uff14\uff13\uff12\uff11\uff10",
        "९८७६५४३२१०",
        "+९१ ९८७६५ ४३२१०",
        "৯৮৭৬৫৪৩২১০",
    ],
)
def test_mobile_number_in_any_common_notation_is_normalised(text: str) -> None:
    assert rules.normalise_mobile(text) == "9876543210"


@pytest.mark.parametrize("first", "0123456789")
def test_mobile_number_begins_with_six_to_nine(first: str) -> None:
    mobile = f"{first}123456789"

    assert rules.normalise_mobile(mobile) == (mobile if first in "6789" else None)


@pytest.mark.parametrize("mobile", ["9198765432", "9191919191", "9100000000"])
def test_ten_digits_that_begin_with_91_are_not_shortened(mobile: str) -> None:
    assert rules.normalise_mobile(mobile) == mobile


@pytest.mark.parametrize("text", ["+919198765432", "919198765432", "09198765432"])
def test_only_one_prefix_is_removed(text: str) -> None:
    assert rules.normalise_mobile(text) == "9198765432"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "987654321",
        "98765432101",
        "+919876543210 1",
        "+09876543210",
        "+9876543210",
        "009876543210",
        "9" * 100_000,
        "0919876543210",
        "+1 9876543210",
        "+449876543210",
        "98765/43210",
        "9876543210x12",
        "98765 4321O",
        "tel:9876543210",
        "9876543210;9876543211",
        "9876543210\x00",
    ],
)
def test_invalid_mobile_number_is_refused(text: str) -> None:
    assert rules.normalise_mobile(text) is None


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", "Mobile number must be exactly 10 digits"),
        ("12345", "Mobile number must be exactly 10 digits"),
        ("98765432101", "Mobile number must be exactly 10 digits"),
        ("+14155550100", "Mobile number must be exactly 10 digits"),
        ("5876543210", "Please enter a valid Indian mobile number"),
        ("+91 58765 43210", "Please enter a valid Indian mobile number"),
        ("0091 58765 43210", "Please enter a valid Indian mobile number"),
        ("98765 4321O", "Please enter a valid Indian mobile number"),
    ],
)
def test_error_of_a_mobile_number_is_worded_as_in_the_specification(typed: str, error: str) -> None:
    assert rules.mobile_error(typed) == error


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("+91 98765 43210", "9876543210"),
        ("+971 50 123 4567", "+971501234567"),
        ("00971-50-123-4567", "+971501234567"),
        ("\u202a+1 (415) 555-0100\u202c", "+14155550100"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+971 (0)50 123 4567", "+971501234567"),
        ("+91 (0)20 2612 3456", "+912026123456"),
        ("020 2612 3456", "+912026123456"),
        ("+91 20 2612 3456", "+912026123456"),
    ],
)
def test_phone_number_of_any_country_is_stored_with_its_country_code(typed: str, stored: str) -> None:
    assert rules.normalise_phone(typed) == stored
    assert rules.normalise_phone(stored) == stored


@pytest.mark.parametrize(
    "typed", ["", "12", "5876543210", "+12345", "+0123456789", "+91 98765 4321", "+9715012345678901", "ask my son"]
)
def test_invalid_phone_number_is_refused(typed: str) -> None:
    assert rules.normalise_phone(typed) is None


@pytest.mark.parametrize(
    ("typed", "starts"),
    [
        ("98765 43", ["9876543"]),
        ("+91 98765 43210", ["9876543210"]),
        ("+91-0-98765 43210", ["9876543210"]),
        ("0091 09876543210", ["9876543210"]),
        ("98765\u200d43210", ["9876543210"]),
        ("0091-98765", ["009198765", "98765", "09198765"]),
        ("09876", ["09876", "9876"]),
        ("९८७६५", ["98765"]),
        ("91", ["91"]),
    ],
)
def test_the_beginning_of_a_number_may_have_a_prefix(typed: str, starts: list[str]) -> None:
    assert sorted(rules.number_starts(typed)) == sorted(starts)


@pytest.mark.parametrize("typed", ["Asha", "98765.*", "+", ""])
def test_a_text_without_digits_alone_is_no_part_of_a_number(typed: str) -> None:
    assert rules.digits_of(typed) == ""


@given(st.text(alphabet="+0916789- ", max_size=20))
def test_normalising_a_mobile_number_is_idempotent(text: str) -> None:
    mobile = rules.normalise_mobile(text)

    assert mobile is None or rules.normalise_mobile(mobile) == mobile


@given(st.text(alphabet="+0123456789- ", max_size=20))
def test_normalised_mobile_number_has_the_stored_format(text: str) -> None:
    mobile = rules.normalise_mobile(text) or "6000000000"

    assert len(mobile) == 10
    assert mobile[0] in "6789"


@pytest.mark.parametrize(
    "name",
    [
        "R",
        "B/O Sunita",
        "Ravi S/o Mohan",
        "Al",
        "Nguy\u1ec5n",
        f"علی{ZWNJ}رضا",
        "Asha Verma",
        "Sunita O'Neil",
        "Dr. A.P.J. Abdul Kalam",
        "Anne-Marie D'Souza",
        "José Élan",
        "आशा वर्मा",
        "অনিন্দিতা চট্টোপাধ্যায়",
        "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ",
        "મીના પટેલ",
        "ପ୍ରଭାତ ଦାସ",
        "முருகன்",
        "వెంకటేశ్వర రావు",
        "ಶ್ರೀನಿವಾಸ",
        "മീര അയ്യർ",
        "محمد عمران",
        "ꯃꯤꯇꯩ",
        "ᱥᱟᱱᱛᱟᱲ",
    ],
)
def test_name_in_any_indian_script_does_not_change(name: str) -> None:
    assert rules.normalise_name(name) == name


@pytest.mark.parametrize(
    "name",
    [f"സുജിന്{ZWJ}", f"র{ZWJ}্যাচেল", f"सूर्{ZWJ}यवंशी", f"ಕ್{ZWNJ}ರಿಸ್ಟಿ"],
    ids=["malayalam chillu", "bengali ya-phalaa", "marathi eyelash ra", "kannada explicit virama"],
)
def test_joiner_within_a_conjunct_is_kept(name: str) -> None:
    assert rules.normalise_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (f"Asha{ZWJ}", "Asha"),
        (f"{ZWNJ}Asha", "Asha"),
        (f"As{ZWJ}ha", "Asha"),
        (f"आ{ZWJ}शा", "आशा"),
        (f"Asha {ZWJ} Verma", "Asha Verma"),
    ],
)
def test_joiner_that_the_script_does_not_need_is_removed(typed: str, name: str) -> None:
    assert rules.normalise_name(typed) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Asha  ", "Asha"),
        (" A ", "A"),
        ("Asha    Verma", "Asha Verma"),
        ("Jose\u0301", "José"),
        ("\u0958मर", "क\u093cमर"),
        ("Asha\u00a0Verma", "Asha Verma"),
        ("Asha\u2009\u3000Verma", "Asha Verma"),
        ("Asha\tVerma", "Asha Verma"),
        ("Asha\nVerma", "Asha Verma"),
        ("Asha\u2028Verma", "Asha Verma"),
        ("Asha\u202eVerma", "AshaVerma"),
        ("\u200eAsha\ufeff\u200b", "Asha"),
        ("Ash\u00ada", "Asha"),
        ("Asha\ufe0f\U000e0041", "Asha"),
        ("Sunita O\u2019Neil", "Sunita O'Neil"),
        ("Sunita O\u02bcNeil", "Sunita O'Neil"),
        ("Sunita O`Neil", "Sunita O'Neil"),
        ("Anne\u2013Marie", "Anne-Marie"),
        ("Anne\u2011Marie", "Anne-Marie"),
        ("B\u2215O Sunita", "B/O Sunita"),
    ],
)
def test_name_is_normalised(text: str, name: str) -> None:
    assert rules.normalise_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\u200b",
        "\u3164",
        "/",
        "..",
        "- -",
        "\u093f\u093f",
        "A" * 101,
        "A" * 200_000,
        "Asha1",
        "Asha २",
        "Asha_Verma",
        "Asha, Verma",
        "Asha<b>",
        "Asha@home",
        "$where",
        "Asha\x00",
        "Asha \U0001f600",
        "Asha\ud800",
    ],
)
def test_invalid_name_is_refused(text: str) -> None:
    assert rules.normalise_name(text) is None


@pytest.mark.parametrize("length", [rules.NAME_MIN, rules.NAME_MAX])
def test_name_of_minimum_and_maximum_length_is_valid(length: int) -> None:
    assert rules.normalise_name("आ" * length) == "आ" * length


@given(st.text(max_size=120))
def test_normalising_a_name_is_idempotent(text: str) -> None:
    name = rules.normalise_name(text)

    assert name is None or rules.normalise_name(name) == name


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        (" ", "Name must be between 1 and 100 characters"),
        ("A" * 101, "Name must be between 1 and 100 characters"),
        ("Asha1", "Name can only contain letters, spaces, full stops, apostrophes, hyphens and slashes"),
        ("...", "Name can only contain letters, spaces, full stops, apostrophes, hyphens and slashes"),
    ],
)
def test_error_of_a_name_says_what_a_name_can_be(typed: str, error: str) -> None:
    assert rules.name_error(typed) == error


@pytest.mark.parametrize(
    ("day", "today", "is_possible"),
    [
        (date(2026, 11, 30), date(2026, 11, 30), True),
        (date(2026, 12, 1), date(2026, 11, 30), False),
        (date(2999, 1, 1), date(2026, 11, 30), False),
        (date(1900, 1, 1), date(2026, 11, 30), True),
        (date(1899, 12, 31), date(2026, 11, 30), False),
        (date(1000, 1, 1), date(2026, 11, 30), False),
    ],
)
def test_date_of_a_life_is_from_1900_until_today(day: date, today: date, *, is_possible: bool) -> None:
    assert (rules.date_error(day, today) is None) is is_possible


def test_system_cannot_deactivate_users() -> None:
    assert not rules.may_deactivate(SYSTEM, ObjectId())
