"""SMS by Twilio's SDK, sent to a fake server."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from arthomed.config import settings
from arthomed.config_services import Twilio
from arthomed.core import clock
from arthomed.infra import sms
from arthomed.infra.sms import TwilioSms
from arthomed.notifications import rules
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Attempt, DeliveryFailed, DeliveryStatus, Receipt
from arthomed.notifications.models import Notification, State
from tests import factories
from tests.api.notifications.fake_twilio import ACCEPTED, BASIC, NUMBER, PUBLIC_URL, SID, TOKEN, FakeTwilio
from tests.api.notifications.outbox import delivery_configured, make_message

PROBLEM = {"type": "about:blank", "title": "Problem", "code": 21211}  # RFC 9457; the SDK raises another exception


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    """A fake Twilio at the URL in the settings."""
    account = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_PHONE_NUMBER": NUMBER}
    with FakeTwilio().running() as server, factories.environment(**account, TWILIO_API_URL=server.url):
        yield server


@pytest.fixture
def account(twilio: FakeTwilio) -> Twilio:
    found = settings().twilio
    assert found is not None
    assert found.api_url == twilio.url
    return found


@pytest.fixture
def gateway(account: Twilio) -> TwilioSms:
    return TwilioSms(account)


def test_request_contains_number_sender_and_text(twilio: FakeTwilio, gateway: TwilioSms) -> None:
    gateway.send("9876543210", "Arthomed: Namaste & नमस्ते", kind="code")

    [request] = twilio.requests
    assert request.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert request.form == {"To": ["+919876543210"], "From": [NUMBER], "Body": ["Arthomed: Namaste & नमस्ते"]}
    assert request.authorization == BASIC


def test_messaging_service_is_preferred_to_the_number(twilio: FakeTwilio, account: Twilio) -> None:
    TwilioSms(replace(account, messaging_service_sid="MG1")).send("9876543210", "Namaste", kind="code")

    [request] = twilio.requests
    assert (request.form["MessagingServiceSid"], "From" in request.form) == (["MG1"], False)


def test_callback_url_contains_message_and_attempt(twilio: FakeTwilio, account: Twilio) -> None:
    TwilioSms(account, PUBLIC_URL).send("9876543210", "Namaste", kind="code", attempt=Attempt("0" * 24, 3))

    [request] = twilio.requests
    assert request.callback == f"/api/webhooks/twilio/status?message={'0' * 24}&attempt=3"


@pytest.mark.parametrize(
    ("ttl", "validity"),
    [(timedelta(minutes=2), ["120"]), (timedelta(days=9), ["36000"]), (timedelta(seconds=-1), ["1"]), (None, None)],
)
def test_time_to_live_becomes_the_validity_period(
    twilio: FakeTwilio, gateway: TwilioSms, ttl: timedelta | None, validity: list[str] | None
) -> None:
    gateway.send("9876543210", "Namaste", kind="code", ttl=ttl)

    [request] = twilio.requests
    assert request.form.get("ValidityPeriod") == validity


@pytest.mark.parametrize(
    ("response", "receipt"),
    [
        ({"sid": "SM1", "status": "accepted"}, Receipt("SM1", DeliveryStatus.QUEUED)),
        (
            {"sid": "SM1", "status": "queued", "num_segments": "2", "price": "-0.0470", "price_unit": "USD"},
            Receipt("SM1", DeliveryStatus.QUEUED, segments=2, price="-0.0470", currency="USD"),
        ),
        ({"sid": "SM1", "status": "sent", "num_segments": "x", "price": "much", "price_unit": "$"}, ("SM1", "sent")),
        ({"sid": "<b>", "status": "queued"}, None),
        ({"sid": 5, "status": "queued"}, None),
        ({"sid": "SM1", "status": "abducted"}, None),
        ({}, None),
    ],
)
def test_response_of_twilio_is_the_first_receipt(
    twilio: FakeTwilio, gateway: TwilioSms, response: dict[str, Any], receipt: Any
) -> None:
    twilio.response = (201, response)
    expected = Receipt(receipt[0], DeliveryStatus(receipt[1])) if isinstance(receipt, tuple) else receipt

    assert gateway.send("9876543210", "Namaste", kind="code") == expected


@pytest.mark.parametrize(
    ("response", "permanent"),
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
        *("too many", "broken", "unavailable", "wrong token", "closes the connection", "unavailable as a problem"),
        *("bad number", "no mobile", "unsubscribed", "queue full", "wrong sender"),
        *("bad number as a problem", "an HTML page", "a list", "failed immediately"),
    ],
)
def test_only_a_refusal_of_this_message_is_permanent(
    twilio: FakeTwilio, gateway: TwilioSms, response: tuple[int, object] | None, *, permanent: bool
) -> None:
    twilio.response = response

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send("9876543210", "Namaste", kind="code")

    assert failed.value.permanent is permanent
    assert "9876543210" not in str(failed.value)


@pytest.mark.parametrize(
    ("header", "seconds"), [("90", 90), (None, None), ("-1", None), ("soon", None), ("9" * 30, None), ("7200", None)]
)
def test_valid_retry_after_header_is_returned(
    twilio: FakeTwilio, gateway: TwilioSms, header: str | None, seconds: int | None
) -> None:
    twilio.response, twilio.headers = (429, {"code": 20429}), {"Retry-After": header} if header else {}

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send("9876543210", "Namaste", kind="code")

    assert failed.value.retry_after == (None if seconds is None else timedelta(seconds=seconds))


def test_silent_twilio_is_aborted_after_the_timeout(
    twilio: FakeTwilio, account: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sms, "TIMEOUT_SECONDS", 0.2)
    twilio.may_respond.clear()

    with pytest.raises(DeliveryFailed, match="ReadTimeout") as failed:
        TwilioSms(account).send("9876543210", "Namaste", kind="code")

    assert not failed.value.permanent


@pytest.fixture
def twilio_configured(gateway: TwilioSms) -> Iterator[None]:
    """The application sends its SMS to the fake server."""
    with delivery_configured(sms=gateway):
        yield


@pytest.mark.usefixtures("database", "twilio_configured")
@pytest.mark.parametrize(
    ("response", "state", "failure"),
    [
        ((429, {"code": 20429, "message": "Too Many Requests"}), State.WAITING, "twilio 429 20429"),
        ((400, {"code": 21211, "message": "Invalid 'To' Phone Number"}), State.FAILED, "twilio 400 21211"),
        (None, State.WAITING, "ConnectionError"),
    ],
)
def test_refused_sms_fails_or_is_retried(
    twilio: FakeTwilio, response: tuple[int, Any] | None, state: State, failure: str
) -> None:
    waiting = make_message()
    twilio.response = response

    assert notifications.send(waiting.id) is state
    stored = Notification.objects.get(id=waiting.id)
    assert (stored.state, stored.failure, stored.attempts) == (state, failure, 1)


@pytest.mark.usefixtures("database", "twilio_configured")
def test_retry_respects_the_retry_after_header(twilio: FakeTwilio) -> None:
    waiting = make_message()
    twilio.response, twilio.headers = (429, {"code": 20429}), {"Retry-After": "600"}
    with time_machine.travel(clock.now(), tick=False):
        notifications.send(waiting.id)
        waiting.reload()
        assert waiting.due_at == clock.now() + timedelta(minutes=10)


@pytest.mark.usefixtures("database", "twilio_configured")
def test_retries_back_off_until_the_message_fails(twilio: FakeTwilio) -> None:
    twilio.response = (500, {})
    waiting, delays = (
        make_message(day=factories.tomorrow() + timedelta(days=2)),
        list[float](),
    )  # the delays add up to a day
    moment = clock.now()
    while waiting.state is State.WAITING:
        with time_machine.travel(moment, tick=False):
            notifications.send(waiting.id)
        waiting.reload()
        delays.append((waiting.due_at - moment).total_seconds())
        moment = waiting.due_at

    expected = [10, 20, 40, 80, 160, 320, 640, 1280, 1800]
    assert [abs(delay - base) <= base / 5 for delay, base in zip(delays, expected, strict=False)] == [True] * 9
    assert delays[:9] != expected
    assert (waiting.state, waiting.failure) == (State.FAILED, "twilio 500 500")
    assert len(twilio.requests) == rules.MAX_ATTEMPTS


@pytest.mark.usefixtures("database", "twilio_configured")
def test_sms_is_retried_when_it_is_due_and_not_before(twilio: FakeTwilio) -> None:
    twilio.response = (500, {})
    waiting = make_message()
    notifications.send(waiting.id)
    twilio.response = ACCEPTED
    assert (notifications.send(waiting.id), len(twilio.requests)) == (None, 1)
    with time_machine.travel(clock.now() + timedelta(seconds=13), tick=True):
        assert notifications.send(waiting.id) is State.SENT

    waiting.reload()
    assert (waiting.failure, waiting.attempts) == (None, 2)
