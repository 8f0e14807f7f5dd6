"""Normalisation of names and mobile numbers, and who can deactivate a user."""

import unicodedata

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
        "00919876543210",
        "+9109876543210",
        "+09876543210",
        "0919876543210",
        "+1 9876543210",
        "+449876543210",
        "(98765) 43210",
        "98765.43210",
        "98765/43210",
        "98765\u201343210",
        "98765\u00a043210",
        "98765\t43210",
        "9876543210\n",
        "9876543210x12",
        "\u202a9876543210\u202c",
        "\uff19\uff18\uff17\uff16\uff15\uff14\uff13\uff12\uff11\uff10",
        "९८७६५४३२१०",
        "98765 4321O",
        "tel:9876543210",
        "9876543210;9876543211",
        "9876543210\x00",
    ],
)
def test_invalid_mobile_number_is_refused(text: str) -> None:
    assert rules.normalise_mobile(text) is None


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
        "Al",
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


@pytest.mark.parametrize("name", [f"Asha{ZWJ}", f"{ZWNJ}Asha", f"As{ZWJ}ha", f"आ{ZWJ}शा", f"Asha {ZWJ} Verma"])
def test_joiner_outside_a_conjunct_is_refused(name: str) -> None:
    assert rules.normalise_name(name) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [("  Asha  ", "Asha"), ("Asha    Verma", "Asha Verma"), ("Jose\u0301", "José"), ("\u0958मर", "क\u093cमर")],
    ids=["trimmed", "single spaces", "composed", "decomposed by NFC"],
)
def test_name_is_normalised(text: str, name: str) -> None:
    assert rules.normalise_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "A",
        " A ",
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
        "Asha/Verma",
        "$where",
        "Asha\tVerma",
        "Asha\nVerma",
        "Asha\u00a0Verma",
        "Asha\x00",
        "Asha\u202everma",
        "Asha\ufeff",
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


def test_typographic_apostrophe_becomes_a_plain_one() -> None:
    assert rules.normalise_name("Sunita O\N{RIGHT SINGLE QUOTATION MARK}Neil") == "Sunita O'Neil"


def test_system_cannot_deactivate_users() -> None:
    assert not rules.may_deactivate(SYSTEM, ObjectId())
