"""SMS by Twilio's own SDK, against a server that answers as Twilio does."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine

from arthomed.config import settings
from arthomed.config_messages import Twilio
from arthomed.core import clock
from arthomed.infra.http import TIMEOUT_SECONDS
from arthomed.infra.sms import TwilioSms
from arthomed.notifications import outlets, rules
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Arrival, Attempt, DeliveryFailed, Receipt
from arthomed.notifications.models import Notification, State
from tests import factories
from tests.api.carrier import BASIC, NUMBER, PUBLIC_URL, SID, TAKEN, TOKEN, Carrier, running

PROBLEM = {"type": "about:blank", "title": "Problem", "code": 21211}  # RFC 9457, which the SDK tells in its own way


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Iterator[Carrier]:
    """A carrier where the settings say that Twilio is."""
    with running() as found:
        account = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_PHONE_NUMBER": NUMBER}
        for name, value in {**account, "TWILIO_API_URL": found.url}.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield found
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def account(carrier: Carrier) -> Twilio:
    found = settings().twilio
    assert found is not None
    assert found.api_url == carrier.url
    return found


@pytest.fixture
def gateway(account: Twilio) -> TwilioSms:
    return TwilioSms(account)


def test_an_sms_is_handed_over_with_number_sender_and_text(carrier: Carrier, gateway: TwilioSms) -> None:
    gateway.send("9876543210", "Arthomed: Namaste & नमस्ते", kind="code")

    [asked] = carrier.asked
    assert asked.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert asked.form == {"To": ["+919876543210"], "From": [NUMBER], "Body": ["Arthomed: Namaste & नमस्ते"]}
    assert asked.authorization == BASIC


def test_a_messaging_service_sends_in_the_place_of_the_number(carrier: Carrier, account: Twilio) -> None:
    TwilioSms(replace(account, messaging_service_sid="MG1")).send("9876543210", "Namaste", kind="code")

    [asked] = carrier.asked
    assert (asked.form["MessagingServiceSid"], "From" in asked.form) == (["MG1"], False)


def test_receipts_are_asked_for_at_an_address_that_names_the_message(carrier: Carrier, account: Twilio) -> None:
    TwilioSms(account, PUBLIC_URL).send("9876543210", "Namaste", kind="code", attempt=Attempt("0" * 24, 3))

    [asked] = carrier.asked
    assert asked.callback == f"/api/webhooks/twilio/status?message={'0' * 24}&attempt=3"


@pytest.mark.parametrize(
    ("useful_for", "validity"),
    [
        (timedelta(minutes=2), ["120"]),
        (timedelta(days=9), ["36000"]),
        (timedelta(seconds=-1), ["1"]),
        (None, None),
    ],
)
def test_the_carrier_is_told_until_when_a_message_is_of_use(
    carrier: Carrier, gateway: TwilioSms, useful_for: timedelta | None, validity: list[str] | None
) -> None:
    gateway.send("9876543210", "Namaste", kind="code", useful_for=useful_for)

    [asked] = carrier.asked
    assert asked.form.get("ValidityPeriod") == validity


@pytest.mark.parametrize(
    ("answer", "receipt"),
    [
        ({"sid": "SM1", "status": "accepted"}, Receipt("SM1", Arrival.QUEUED)),
        (
            {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.0470", "price_unit": "USD"},
            Receipt("SM1", Arrival.QUEUED, segments=2, price="-0.0470", currency="USD"),
        ),
        ({"sid": "SM1", "status": "sent", "num_segments": "x", "price": "much", "price_unit": "$"}, ("SM1", "sent")),
        ({"sid": "<b>", "status": "queued"}, None),
        ({"sid": 5, "status": "queued"}, None),
        ({"sid": "SM1", "status": "abducted"}, None),
        ({}, None),
    ],
)
def test_what_twilio_says_of_a_message_that_it_took_is_its_first_receipt(
    carrier: Carrier, gateway: TwilioSms, answer: dict[str, Any], receipt: Any
) -> None:
    carrier.answer = (201, answer)
    wanted = Receipt(receipt[0], Arrival(receipt[1])) if isinstance(receipt, tuple) else receipt

    assert gateway.send("9876543210", "Namaste", kind="code") == wanted


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ((429, {"code": 20429, "message": "Too Many Requests", "status": 429}), False),
        ((500, {"code": 20500, "message": "Internal Server Error", "status": 500}), False),
        ((503, "unavailable"), False),
        ((401, {"code": 20003, "message": "Authenticate", "status": 401}), False),
        (None, False),
        ((503, PROBLEM | {"status": 503}), False),
        ((400, {"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400}), True),
        ((400, {"code": 21614, "message": "'To' number is not a valid mobile number", "status": 400}), True),
        ((400, {"code": 21610, "message": "Attempt to send to unsubscribed recipient", "status": 400}), True),
        ((400, {"code": 21611, "message": "This 'From' number has exceeded the maximum", "status": 400}), False),
        ((400, {"code": 21606, "message": "The 'From' number is not a valid", "status": 400}), False),
        ((400, PROBLEM | {"status": 400}), True),
        ((201, b"<html>a proxy's page</html>"), True),
        ((201, ["no", "object"]), True),
        ((201, {"sid": "SM1", "status": "failed"}), True),
    ],
    ids=[
        *("too many", "broken", "unavailable", "wrong token", "hangs up", "unavailable as a problem"),
        *("bad number", "no mobile", "unsubscribed", "queue full", "wrong sender"),
        *("bad number as a problem", "a page in place of an answer", "a list", "failed at once"),
    ],
)
def test_only_a_refusal_of_this_very_message_is_final(
    carrier: Carrier, gateway: TwilioSms, answer: tuple[int, object] | None, *, permanent: bool
) -> None:
    carrier.answer = answer

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send("9876543210", "Namaste", kind="code")

    assert failed.value.permanent is permanent
    assert "9876543210" not in str(failed.value)


@pytest.mark.parametrize(
    ("header", "seconds"), [("90", 90), (None, None), ("-1", None), ("soon", None), ("9" * 30, None), ("7200", None)]
)
def test_a_sane_wait_that_twilio_asks_for_is_told(
    carrier: Carrier, gateway: TwilioSms, header: str | None, seconds: int | None
) -> None:
    carrier.answer, carrier.headers = (429, {"code": 20429}), {"Retry-After": header} if header else {}

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send("9876543210", "Namaste", kind="code")

    assert failed.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_a_silent_twilio_is_waited_for_no_longer_than_the_time_out(
    carrier: Carrier, gateway: TwilioSms, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway._http.timeout == TIMEOUT_SECONDS
    monkeypatch.setattr(gateway._http, "timeout", 0.2)
    carrier.goes_on.clear()

    with pytest.raises(DeliveryFailed, match="ReadTimeout") as failed:
        gateway.send("9876543210", "Namaste", kind="code")

    assert not failed.value.permanent


def test_one_message_is_one_request(carrier: Carrier, gateway: TwilioSms) -> None:
    carrier.answer = (500, {})
    with pytest.raises(DeliveryFailed):
        gateway.send("9876543210", "Namaste", kind="code")

    assert len(carrier.asked) == 1


@pytest.fixture
def by_twilio(gateway: TwilioSms) -> Iterator[None]:
    """The application's SMS go to the carrier."""
    before = outlets.outlet()
    outlets.use(replace(before, sms=gateway))
    yield
    outlets.use(before)


def message(*, days_ahead: int = 1) -> Notification:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    day = clock.today(settings().policy.timezone) + timedelta(days=days_ahead)
    visit = factories.make_visit(factories.make_user(mobile_number="9876500001"), doctor, day=day)
    found: Notification = Notification.objects.get(subject=visit.id)
    return found


@pytest.mark.usefixtures("database", "by_twilio")
def test_a_patient_is_told_by_sms(carrier: Carrier) -> None:
    assert notifications.send(message().id) is State.SENT

    day: date = factories.tomorrow()
    [asked] = carrier.asked
    assert asked.form["To"] == ["+919876500001"]
    text = f"Your request for {day:%d %b %Y} at 09:00 with Dr Meera Iyer has reached us. We will confirm it soon."
    assert asked.form["Body"] == [f"Arthomed: {text}"]


@pytest.mark.usefixtures("database", "by_twilio")
@pytest.mark.parametrize(
    ("answer", "state", "failure"),
    [
        ((429, {"code": 20429, "message": "Too Many Requests"}), State.WAITING, "twilio 429 20429"),
        ((400, {"code": 21211, "message": "Invalid 'To' Phone Number"}), State.FAILED, "twilio 400 21211"),
        (None, State.WAITING, "ConnectionError"),
    ],
)
def test_an_sms_that_was_not_taken_waits_or_is_given_up(
    carrier: Carrier, answer: tuple[int, Any] | None, state: State, failure: str
) -> None:
    waiting = message()
    carrier.answer = answer

    assert notifications.send(waiting.id) is state
    stored = Notification.objects.get(id=waiting.id)
    assert (stored.state, stored.failure, stored.attempts) == (state, failure, 1)


@pytest.mark.usefixtures("database", "by_twilio")
def test_an_sms_waits_as_long_as_twilio_asks(carrier: Carrier) -> None:
    waiting = message()
    carrier.answer, carrier.headers = (429, {"code": 20429}), {"Retry-After": "600"}
    with time_machine.travel(clock.now(), tick=False):
        notifications.send(waiting.id)
        waiting.reload()
        assert waiting.due_at == clock.now() + timedelta(minutes=10)


@pytest.mark.usefixtures("database", "by_twilio")
def test_an_sms_that_is_never_taken_waits_longer_each_time_and_is_given_up_at_last(carrier: Carrier) -> None:
    carrier.answer = (500, {})
    waiting, waits = message(days_ahead=3), list[float]()  # the waits add up to a day
    moment = clock.now()
    while waiting.state is State.WAITING:
        with time_machine.travel(moment, tick=False):
            notifications.send(waiting.id)
        waiting.reload()
        waits.append((waiting.due_at - moment).total_seconds())
        moment = waiting.due_at

    wanted = [10, 20, 40, 80, 160, 320, 640, 1280, 1800]
    assert [abs(wait - base) <= base / 5 for wait, base in zip(waits, wanted, strict=False)] == [True] * 9
    assert waits[:9] != wanted
    assert (waiting.state, waiting.failure, len(carrier.asked)) == (State.FAILED, "twilio 500 500", rules.MAX_ATTEMPTS)


@pytest.mark.usefixtures("database", "by_twilio")
def test_an_sms_that_waits_is_not_sent_before_its_time(carrier: Carrier) -> None:
    carrier.answer = (500, {})
    waiting = message().id
    notifications.send(waiting)
    carrier.answer = TAKEN

    assert notifications.send(waiting) is None
    assert len(carrier.asked) == 1


@pytest.mark.usefixtures("database", "by_twilio")
def test_an_sms_that_waited_is_sent_once_it_is_taken(carrier: Carrier) -> None:
    carrier.answer = (500, {})
    waiting = message()
    notifications.send(waiting.id)
    carrier.answer = TAKEN
    with time_machine.travel(clock.now() + timedelta(seconds=13), tick=True):
        assert notifications.send(waiting.id) is State.SENT

    waiting.reload()
    assert (waiting.failure, waiting.attempts) == (None, 2)
