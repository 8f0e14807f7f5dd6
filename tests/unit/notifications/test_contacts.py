"""What people typed never carries a link, an address or a phone number into an SMS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arthomed.notifications.contacts import remove_contacts

NEUTRAL = "your doctor"


def wide(typed: str) -> str:
    """The full-width forms of ASCII characters."""
    return "".join(chr(ord(char) - ord("!") + 0xFF01) for char in typed)


@pytest.mark.parametrize(
    "typed",
    [
        "www.evil.example",
        "WWW.EVIL.EXAMPLE",
        "www2.evil.clinic",
        "see www . evil . com",
        "evil.in",
        "Evil.In",
        "evil.in.",
        "evil.in/x",
        "Dr evil.in",
        "Dr. evil.co.in Rao",
        "dr.evil.in",
        "evil.com, please",
        "(evil.com)",
        "evil.example/x",
        "evil.clinic/x",
        "evil.clinic?x=1",
        "evil.clinic:8080",
        "evil.xn--h2brj9c",
        "evil-site.xyz",
        "https://x",
        "HTTP://EVIL",
        "hxxp://evil.example",
        "https:evil",
        "ftp://evil",
        "//evil.com",
        "bit.ly/abc",
        "t.me/abc",
        "wa.me/919876543210",
        "192.0.2.7",
        "192.0.2.7/x",
        "asha@example.com",
        "asha@okaxis",
        "mailto:asha",
        "tel:108",
        "upi:pay",
        "call 98765 43210",
        "9876543210",
        "+91-98765-43210",
        "(020) 2612 3456",
        "020.26123456",
        "98.76.54.32.10",
        "1800 123 4567",
        "2612 3456",
        "+971 50 123 4567",
        "9 8 7 6 5 4 3 2 1 0",
        "98765,43210",
        "98765·43210",
        "98765 / 43210",
        "call 98765\n43210",
        "12.30: 98765 43210",
        "९८७६५ ४३२१०",
    ],
)
def test_link_address_and_phone_number_are_replaced(typed: str) -> None:
    assert remove_contacts(typed, NEUTRAL) == NEUTRAL


@pytest.mark.parametrize(
    "typed",
    [
        wide("evil.in/x"),
        "evil\u3002com",
        "evil\uff61com",
        "evil\u2024com",
        "evil\u200b.in",
        "ev\u00adil.i\u2060n",
        "w\u200dw\u200cw.evil",
        "e\u0301vil.in",
        "bit.ly\u2215abc",
        "\u202eevil.in",
        wide("9876543210"),
        "98765\u200b43210",
        "98765\u00a043210",
        "98765\u201143210",
        "9\ufe0f\u20e38\ufe0f\u20e37\ufe0f\u20e36\ufe0f\u20e35\ufe0f\u20e34\ufe0f\u20e33\ufe0f\u20e3",
        "asha\uff20example",
        "".join(chr(ord("\N{MATHEMATICAL BOLD DIGIT ZERO}") + int(digit)) for digit in "9876543210"),
    ],
)
def test_other_writings_and_invisible_marks_hide_nothing(typed: str) -> None:
    assert remove_contacts(typed, NEUTRAL) == NEUTRAL


@pytest.mark.parametrize(
    "typed",
    [
        "B/O Sunita",
        "Ravi S/o Mohan",
        "Dr. A.P. Rao",
        "Dr A.P.Rao",
        "Dr.Rao",
        "Dr. B. R. Ambedkar",
        "St. Mary",
        "St.Mary",
        "D'Souza",
        "Anne-Marie",
        "R",
        "M.",
        "Dr Meera Iyer M.D.",
        "Rao Jr.",
        "डॉ. मीरा अय्यर",
        "क़ुर्रतुलऐन क्\u200dष",
        "O'Neill / Rao",
        "The doctor is on leave until 05-12-2026",
        "On leave 01-12-2026 to 05-12-2026",
        "On leave 01.12.2026-05.12.26",
        "Closed 2026-12-01",
        "Only between 10.30-11.30 or at 14:00-15:30.",
        "Room 101, floor 2",
        "Fee is Rs. 1,50,000",
        "Fee is Rs.500",
        "PIN 411 001",
        "Doctor is ill... sorry",
        "Doctor away,\n  sorry",
        "Tel: ask at the desk",
        "Come @ 5 pm",
        "{doctor} is on leave",
        "छुट्टी पर हैं। कृपया कल आएं",
    ],
)
def test_names_and_sentences_pass_unchanged(typed: str) -> None:
    assert remove_contacts(typed, NEUTRAL) == typed


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("Dr.Om Prakash", "Dr. Om Prakash"),
        ("S.De", "S. De"),
        ("Dr.A.K.De", "Dr. A. K. De"),
        ("Rao B.Com", "Rao B. Com"),
        ("t.me", "t. me"),
        ("Open 10.am to 5.pm", "Open 10. am to 5. pm"),
        ("On leave.Please come tomorrow", "On leave. Please come tomorrow"),
        ("evil.clinic", "evil. clinic"),
        ("S.Rao/K.Iyer", "S. Rao/K.Iyer"),
        ("छुट्टी पर हैं.कृपया कल आएं", "छुट्टी पर हैं. कृपया कल आएं"),
    ],
)
def test_dots_that_a_phone_may_show_as_a_link_are_followed_by_a_space(typed: str, sent: str) -> None:
    assert remove_contacts(typed, NEUTRAL) == sent


@given(st.text(alphabet="ab.:/@ w5-Dr\u200b\uff0e", max_size=40))
def test_what_was_cleaned_stays_as_it_is(typed: str) -> None:
    sent = remove_contacts(typed, NEUTRAL)

    assert remove_contacts(sent, NEUTRAL) == sent
