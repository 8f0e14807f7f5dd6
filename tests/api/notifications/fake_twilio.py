"""A server that answers as Twilio's API does, or misbehaves, and Twilio's signature under receipts."""

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

from arthomed.config_messages import Twilio
from arthomed.infra.sms import TwilioReceipts, TwilioSms
from arthomed.notifications import outlets

SID, TOKEN, NUMBER = "AC" + "0" * 32, "token-of-the-tests", "+15005550006"
PUBLIC_URL = "https://api.clinic.example"
TAKEN = (201, {"sid": "SM1", "status": "queued"})
BASIC = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


@dataclass
class Request:
    path: str
    authorization: str
    form: dict[str, list[str]]

    @property
    def callback(self) -> str:
        """Where receipts of this message are to go, below the public address."""
        [url] = self.form["StatusCallback"]
        assert url.startswith(PUBLIC_URL)
        return url.removeprefix(PUBLIC_URL)


@dataclass
class Carrier:
    """What it answers next (None: it hangs up) with which headers, and what it was asked.

    While `goes_on` is not set it keeps who asks waiting.
    """

    answer: tuple[int, object] | None = TAKEN
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    goes_on: Event = field(default_factory=Event)
    url: str = ""


@contextmanager
def running() -> Iterator[Carrier]:
    """A carrier on a port of its own."""
    found = Carrier()
    found.goes_on.set()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield found
        found.goes_on.set()
        server.shutdown()


@contextmanager
def in_use(carrier: Carrier) -> Iterator[None]:
    """The application's SMS go to the carrier, which sends receipts."""
    account = Twilio(SID, TOKEN, NUMBER, None, carrier.url)
    before = outlets.outlet()
    receipts = TwilioReceipts(account, PUBLIC_URL)
    outlets.use(replace(before, sms=TwilioSms(account, PUBLIC_URL), receipts=receipts))
    yield
    outlets.use(before)


def _handler(carrier: Carrier) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            carrier.asked.append(Request(self.path, self.headers["Authorization"], parse_qs(body)))
            carrier.goes_on.wait()
            if carrier.answer is None:
                self.close_connection = True
                return
            status, told = carrier.answer
            text = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **carrier.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler


def form_of(status: str, sid: str = "SM1", **more: Any) -> dict[str, Any]:
    """What Twilio tells of a message, as far as its documentation shows it."""
    told = {"AccountSid": SID, "From": NUMBER, "To": "+919876500001", "ApiVersion": "2010-04-01"}
    return {**told, "MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "SmsStatus": status, **more}


def signed(path: str, form: dict[str, Any], token: str = TOKEN) -> dict[str, str]:
    """The header by which Twilio proves that it is Twilio."""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(PUBLIC_URL + path, form)}


def post(client: FlaskClient, path: str, status: str, **more: Any) -> TestResponse:
    """A receipt, as Twilio sends it."""
    form = form_of(status, **more)
    return client.post(path, data=form, headers=signed(path, form))
