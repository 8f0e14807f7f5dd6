"""How long an SMS is, known before it is sent (3GPP TS 23.038), and how names are made to fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arthomed.notifications.lengths import Encoding, Size, clipped, measure, short_name, utf16

GSM, UCS = Encoding.GSM_7, Encoding.UCS_2
LATIN = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcäöñüà\n\r"
TWICE = "^{}\\[~]|€\f"


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
def test_units_and_segments(text: str, size: Size) -> None:
    assert measure(text) == size


@pytest.mark.parametrize(("text", "units"), [(LATIN, len(LATIN)), (TWICE, 2 * len(TWICE))])
def test_the_latin_alphabet_of_an_sms(text: str, units: int) -> None:
    assert measure(text) == Size(GSM, units, 1)


@pytest.mark.parametrize("char", ["`", "ç", "\N{RIGHT SINGLE QUOTATION MARK}", "…", "₹", "अ", "ம", "🙏"])
def test_one_other_character_makes_the_whole_sms_of_the_wider_kind(char: str) -> None:
    assert measure(f"abc{char}").encoding is UCS


@pytest.mark.parametrize(
    ("text", "segments"),
    [("a" * 152 + "€" + "a" * 152, 3), ("a" * 151 + "€" + "a" * 153, 2), ("अ" * 66 + "🙏" + "अ" * 66, 3)],
    ids=["over the edge", "up to the edge", "a pair over the edge"],
)
def test_no_character_is_torn_apart_between_segments(text: str, segments: int) -> None:
    assert measure(text).segments == segments


@given(st.text())
def test_segments_hold_the_text_and_none_is_empty(text: str) -> None:
    size = measure(text)
    alone, joined = (160, 153) if size.encoding is GSM else (70, 67)

    if size.segments == 1:
        assert size.units <= alone
    else:
        assert size.units > alone
        assert -(-size.units // joined) <= size.segments <= -(-size.units // (joined - 1))


@given(st.text(), st.text())
def test_more_text_is_never_fewer_segments(text: str, more: str) -> None:
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
def test_a_name_that_is_too_long_keeps_its_title_and_its_last_part(name: str, short: str) -> None:
    assert short_name(name, 30) == short


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
def test_a_sentence_is_cut_after_a_word_and_never_within_a_letter(text: str, cut: str) -> None:
    assert clipped(text, 30) == cut


@given(st.text(min_size=1), st.integers(4, 40))
def test_what_is_made_to_fit_does(text: str, most: int) -> None:
    assert utf16(clipped(text, most)) <= most
    assert utf16(short_name(text, most)) <= most
