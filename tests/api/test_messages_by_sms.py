"""SMS by Twilio's own SDK, against a server that answers as Twilio does."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest
import time_machine

from arthomed.config import settings
from arthomed.core import clock
from arthomed.infra.sms import TwilioSms
from arthomed.notifications import rules
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed
from arthomed.notifications.models import Notification, State
from tests import factories

SID, TOKEN, NUMBER = "AC" + "0" * 32, "token-of-the-tests", "+15005550006"
PROBLEM = {"type": "about:blank", "title": "Problem", "code": 20001}  # RFC 9457, which the SDK tells in its own way
TAKEN = (201, {"sid": "SM1", "status": "queued"})


@dataclass
class Request:
    path: str
    authorization: str
    form: dict[str, list[str]]


@dataclass
class Carrier:
    """What it answers next (None: it hangs up), and what it was asked."""

    answer: tuple[int, object] | None = TAKEN
    asked: list[Request] = field(default_factory=list)


def _handler(carrier: Carrier) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            carrier.asked.append(Request(self.path, self.headers["Authorization"], parse_qs(body)))
            if carrier.answer is None:
                self.close_connection = True
                return
            status, told = carrier.answer
            text = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler


@pytest.fixture
def carrier(monkeypatch: pytest.MonkeyPatch) -> Iterator[Carrier]:
    """A carrier on a port of its own, where the settings say that Twilio is."""
    found = Carrier()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        account = {"TWILIO_ACCOUNT_SID": SID, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_PHONE_NUMBER": NUMBER}
        for name, value in {**account, "TWILIO_API_URL": f"http://127.0.0.1:{server.server_port}"}.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield found
        server.shutdown()
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def gateway(carrier: Carrier) -> TwilioSms:
    account = settings().twilio
    assert account is not None
    return TwilioSms(account)


def test_an_sms_is_handed_over_with_number_sender_and_text(carrier: Carrier, gateway: TwilioSms) -> None:
    gateway.send("9876543210", "Arthomed: Namaste & नमस्ते", kind="code")

    [asked] = carrier.asked
    assert asked.path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert asked.form == {"To": ["+919876543210"], "From": [NUMBER], "Body": ["Arthomed: Namaste & नमस्ते"]}
    assert asked.authorization == "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


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
        ((400, PROBLEM | {"status": 400}), True),
        ((201, b"<html>a proxy's page</html>"), True),
    ],
    ids=[
        *("too many", "broken", "unavailable", "wrong token", "hangs up", "unavailable as a problem"),
        *("bad number", "bad number as a problem", "a page in place of an answer"),
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


def test_one_message_is_one_request(carrier: Carrier, gateway: TwilioSms) -> None:
    carrier.answer = (500, {})
    with pytest.raises(DeliveryFailed):
        gateway.send("9876543210", "Namaste", kind="code")

    assert len(carrier.asked) == 1


@pytest.fixture
def by_twilio(gateway: TwilioSms) -> Iterator[None]:
    """The application's SMS go to the carrier."""
    before = notifications.outlet()
    notifications.use(replace(before, sms=gateway))
    yield
    notifications.use(before)


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

    assert waits[:9] == [10, 20, 40, 80, 160, 320, 640, 1280, 1800]
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
    with time_machine.travel(clock.now() + timedelta(seconds=11), tick=True):
        assert notifications.send(waiting.id) is State.SENT

    waiting.reload()
    assert (waiting.failure, waiting.attempts) == (None, 2)
