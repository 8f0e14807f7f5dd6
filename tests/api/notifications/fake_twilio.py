"""A fake of Twilio's API that can also misbehave, and receipts with Twilio's signature."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

from flask.testing import FlaskClient
from twilio.request_validator import RequestValidator
from werkzeug.test import TestResponse

from arthomed.config_services import Twilio
from arthomed.infra.sms import TwilioReceipts, TwilioSms
from arthomed.notifications import delivery

SID, TOKEN, NUMBER = "AC" + "0" * 32, "token-of-the-tests", "+15005550006"
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
class FakeTwilio:
    """The response to send (None closes the connection) with its headers, and the requests so far.

    The server does not respond while `may_respond` is cleared.
    """

    response: tuple[int, object] | None = ACCEPTED
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    may_respond: Event = field(default_factory=Event)
    url: str = ""


@contextmanager
def running() -> Iterator[FakeTwilio]:
    twilio = FakeTwilio()
    twilio.may_respond.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(twilio)) as server:
        twilio.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield twilio
        twilio.may_respond.set()
        server.shutdown()


@contextmanager
def configured(twilio: FakeTwilio) -> Iterator[None]:
    """The application sends its SMS to the fake, and accepts receipts."""
    account = Twilio(SID, TOKEN, NUMBER, None, twilio.url)
    before = delivery.config()
    receipts = TwilioReceipts(account, PUBLIC_URL)
    delivery.configure(replace(before, sms=TwilioSms(account, PUBLIC_URL), receipts=receipts))
    yield
    delivery.configure(before)


def _handler(twilio: FakeTwilio) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            twilio.requests.append(Request(self.path, self.headers["Authorization"], parse_qs(body)))
            twilio.may_respond.wait()
            if twilio.response is None:
                self.close_connection = True
                return
            status, content = twilio.response
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **twilio.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Do not write to standard error."""

    return Handler


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
