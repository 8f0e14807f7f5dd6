"""A fake of Twilio's API that can also misbehave, and receipts with Twilio's signature."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from threading import Event
from typing import Any, Self
from urllib.parse import parse_qs

from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from arthomed.config_services import Twilio
from arthomed.infra.sms import TwilioReceipts, TwilioSms
from tests.api.notifications.outbox import delivery_configured
from tests.fake_http import FakeHttp

SID, TOKEN, NUMBER = "AC" + "0" * 32, "1" * 32, "+15005550006"
PUBLIC_URL = "https://api.clinic.example"
ACCEPTED = (201, {"sid": "SM1", "status": "queued"})
BASIC = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


@dataclass
class Request:
    path: str
    authorization: str
    form: dict[str, list[str]]

    @property
    def callback(self) -> str:
        """The path and query of the URL for receipts of this message."""
        [url] = self.form["StatusCallback"]
        assert url.startswith(PUBLIC_URL)
        return url.removeprefix(PUBLIC_URL)


@dataclass
class FakeTwilio(FakeHttp):
    """The response to send (None closes the connection) with its headers, and the requests so far.

    The server does not respond while `may_respond` is cleared.
    """

    response: tuple[int, object] | None = ACCEPTED
    requests: list[Request] = field(default_factory=list)
    may_respond: Event = field(default_factory=Event)

    @contextmanager
    def running(self) -> Iterator[Self]:
        self.may_respond.set()
        with super().running():
            yield self
        self.may_respond.set()

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, object] | None:
        self.requests.append(Request(path, headers["Authorization"], parse_qs(body.decode())))
        self.may_respond.wait()
        return self.response


@contextmanager
def configured(twilio: FakeTwilio) -> Iterator[None]:
    """The application sends its SMS to the fake, and accepts receipts."""
    account = Twilio(SID, TOKEN, NUMBER, None, twilio.url)
    with delivery_configured(sms=TwilioSms(account, PUBLIC_URL), receipts=TwilioReceipts(account, PUBLIC_URL)):
        yield


def receipt_form(status: str, sid: str = "SM1", **more: Any) -> dict[str, Any]:
    """The fields of a receipt as in Twilio's documentation."""
    account = {"AccountSid": SID, "From": NUMBER, "To": "+919876500001", "ApiVersion": "2010-04-01"}
    return {**account, "MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, **more}


def sign(path: str, form: dict[str, Any], token: str = TOKEN) -> dict[str, str]:
    """Twilio's signature over the public URL and the form."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(PUBLIC_URL + path, form)}


def post_receipt(client: FlaskClient, path: str, status: str, **more: Any) -> TestResponse:
    """Send a receipt as Twilio does."""
    form = receipt_form(status, **more)
    return client.post(path, data=form, headers=sign(path, form))
