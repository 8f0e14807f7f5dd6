"""The length of an SMS in segments (3GPP TS 23.038), and the shortening of names and sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arthomed.notifications.lengths import Encoding, Size, measure, shorten_name, truncate, utf16_length

GSM, UCS = Encoding.GSM_7, Encoding.UCS_2
LATIN = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcäöñüà\n\r"
TWO_SEPTETS = "^{}\\[~]|€\f"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", Size(GSM, 0, 1)),
        ("a" * 160, Size(GSM, 160, 1)),
        ("a" * 161, Size(GSM, 161, 2)),
        ("a" * 306, Size(GSM, 306, 2)),
        ("a" * 307, Size(GSM, 307, 3)),
        ("€" * 80, Size(GSM, 160, 1)),
        ("€" * 80 + "a", Size(GSM, 161, 2)),
        ("अ" * 70, Size(UCS, 70, 1)),
        ("अ" * 71, Size(UCS, 71, 2)),
        ("अ" * 134, Size(UCS, 134, 2)),
        ("अ" * 135, Size(UCS, 135, 3)),
        ("a" * 69 + "अ", Size(UCS, 70, 1)),
        ("🙏" * 35, Size(UCS, 70, 1)),
        ("🙏" * 36, Size(UCS, 72, 2)),
    ],
)
def test_size_of_a_text(text: str, size: Size) -> None:
    assert measure(text) == size


@pytest.mark.parametrize(("text", "units"), [(LATIN, len(LATIN)), (TWO_SEPTETS, 2 * len(TWO_SEPTETS))])
def test_gsm_alphabet_is_seven_bit_and_its_extension_takes_two_septets(text: str, units: int) -> None:
    assert measure(text) == Size(GSM, units, 1)


@pytest.mark.parametrize("char", ["`", "ç", "\N{RIGHT SINGLE QUOTATION MARK}", "…", "₹", "अ", "ம", "🙏"])
def test_one_other_character_makes_the_whole_sms_ucs_2(char: str) -> None:
    assert measure(f"abc{char}").encoding is UCS


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 152 + "€" + "a" * 152, 3), ("a" * 151 + "€" + "a" * 153, 2), ("अ" * 66 + "🙏" + "अ" * 66, 3)],
    ids=["across the boundary", "up to the boundary", "surrogate pair across the boundary"],
)
def test_no_character_is_split_between_segments(text: str, segments: int) -> None:
    assert measure(text).segments == segments


@given(st.text())
def test_segments_hold_the_text_without_an_empty_one(text: str) -> None:
    size = measure(text)
    single, concatenated = (160, 153) if size.encoding is GSM else (70, 67)

    if size.segments == 1:
        assert size.units <= single
    else:
        assert size.units > single
        assert -(-size.units // concatenated) <= size.segments <= -(-size.units // (concatenated - 1))


@given(st.text(), st.text())
def test_longer_text_never_has_fewer_segments(text: str, more: str) -> None:
    assert measure(text).segments <= measure(text + more).segments


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Dr Meera Iyer", "Dr Meera Iyer"),
        ("Dr Venkata Subramanian Narasimha Raju", "Dr V. S. Narasimha Raju"),
        ("Dr. Padmanabhan Krishnamoorthi-Iyengar", "Dr. P. Krishnamoorthi-Iyengar"),
        ("Lakshminarayana Venkatasubramanian", "L. Venkatasubramanian"),
        ("Venkatanarasimharajuvaripeta Subrahmanyasastri", "V. Subrahmanyasastri"),
        ("डॉ कृष्णमूर्ति वेंकटसुब्रमण्यम अय्यंगार शर्मा", "डॉ कृ. वें. अय्यंगार शर्मा"),
        ("Parugottuvenkatanarasimharajuvaripeta", "Parugottuvenkatanarasimhara..."),
    ],
)
def test_long_name_keeps_its_title_and_last_name(name: str, short: str) -> None:
    assert shorten_name(name, 30) == short


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("The doctor is on leave", "The doctor is on leave"),
        ("The doctor has been called to an emergency", "The doctor has been called..."),
        ("Doctor away,\n  sorry", "Doctor away, sorry"),
        ("Nobody is there today, please come", "Nobody is there today..."),
        ("क्षमा करें डॉक्टर आज उपलब्ध नहीं हैं", "क्षमा करें डॉक्टर आज उपलब्ध..."),
        ("🙏" * 20, "🙏" * 13 + "..."),
    ],
)
def test_sentence_is_cut_after_a_word_and_never_within_a_grapheme(text: str, cut: str) -> None:
    assert truncate(text, 30) == cut


@given(st.text(min_size=1), st.integers(4, 40))
def test_shortened_text_is_within_the_maximum_length(text: str, max_length: int) -> None:
    assert utf16_length(truncate(text, max_length)) <= max_length
    assert utf16_length(shorten_name(text, max_length)) <= max_length
