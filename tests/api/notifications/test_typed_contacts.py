"""Links and phone numbers that people typed do not leave by SMS; the message does."""

import pytest

from arthomed.notifications import service as notifications
from arthomed.notifications.models import State
from tests import factories
from tests.api.notifications.outbox import OPENING_HOURS, make_rejected, only_message, sent_texts

pytestmark = pytest.mark.usefixtures("monday_evening", "database")


@pytest.mark.parametrize(
    "reason", ["Pay at https://evil.example/x", "Call 98765 43210", "www.evil.example", "bit.ly/abc", "evil\uff0ein"]
)
@pytest.mark.parametrize(("language", "neutral"), [("en", "please ask the clinic"), ("hi", "कृपया क्लिनिक से पूछें")])
def test_a_reason_with_a_link_or_number_is_replaced(reason: str, language: str, neutral: str) -> None:
    make_rejected(reason=reason, profile={"language": language})

    assert notifications.send(only_message().id) is State.SENT
    [text] = sent_texts()
    assert text.endswith(neutral)
    assert reason not in text


@pytest.mark.parametrize("name", ["Dr www.evil.example", "evil.in/x", "Dr. evil.in", "Dr bit.ly/abc"])
def test_a_doctor_whose_name_is_a_link_is_not_named(name: str) -> None:
    factories.make_appointment(doctor=factories.make_doctor(OPENING_HOURS, name=name))

    assert notifications.send(only_message().id) is State.SENT
    assert "with your doctor has reached us" in sent_texts()[0]


@pytest.mark.parametrize("name", ["Dr. A.P. Rao", "St. Mary", "B/O Sunita"])
def test_names_with_dots_and_slashes_are_sent(name: str) -> None:
    factories.make_appointment(doctor=factories.make_doctor(OPENING_HOURS, name=name))
    notifications.send(only_message().id)

    assert f"with {name} has reached us" in sent_texts()[0]
