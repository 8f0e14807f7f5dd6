"""A first booking at the demo clinic: a new patient signs in and books, the reception confirms.

    .venv/bin/python dev/first_booking.py [URL]

It prints each request and can be run any number of times: each run has its own patient and takes the next free time.
"""

import json
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:5000"
_RECEPTIONIST, _ADMIN = "9000000002", "9000000001"
_DAYS = 14
_MESSAGE_SECONDS = 20.0
_POLL_SECONDS = 0.2
_MAX_WAIT_SECONDS = 60  # a number gets one code a minute
_SHOWN = 150

Message = dict[str, str]


class BookingFailed(Exception):
    """The message is one line that says what to do."""


@dataclass(frozen=True)
class Response:
    """The status, the headers and the JSON of a response."""

    status: int
    headers: HTTPMessage
    body: dict[str, Any]

    def require_success(self) -> dict[str, Any]:
        """Return the data of the response. Raises BookingFailed."""
        if self.status >= HTTPStatus.BAD_REQUEST:
            raise BookingFailed(f"The request was refused: {self.body['message']}")
        data: dict[str, Any] = self.body["data"]
        return data


@dataclass
class Client:
    """Sends requests to the API, with the token of one user, and prints them."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **headers: str) -> Response:
        print(f"  {method} /api{path} {json.dumps(body) if body else ''}")
        response = self._send(method, f"/api{path}", body, headers)
        print(f"    {response.status} {json.dumps(response.body)[:_SHOWN]} ...")
        return response

    def newest_message(self, mobile: str) -> Message | None:
        """Read the newest message to a number in the development mailbox."""
        messages: list[Message] = self._send("GET", f"/dev/mailbox.json?to={mobile}", None, {}).body["items"]
        return messages[0] if messages else None

    def next_message(self, mobile: str, *, after: Message | None) -> str:
        """Wait for a newer message than `after`; returns its text. Raises BookingFailed."""
        deadline = time.monotonic() + _MESSAGE_SECONDS
        while (message := self.newest_message(mobile)) == after or message is None:
            if time.monotonic() > deadline:
                raise BookingFailed(f"No message to {mobile} arrives: see {self.url}/health/ready")
            time.sleep(_POLL_SECONDS)
        print(f"    SMS to {mobile}: {message['text']}")
        return message["text"]

    def _send(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Response:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        sent = {**self.headers, **headers, "Content-Type": "application/json"}
        try:
            connection.request(method, path, json.dumps(body) if body else None, sent)
            response = connection.getresponse()
            return Response(response.status, response.headers, json.load(response))
        except (OSError, HTTPException, ValueError) as error:
            raise BookingFailed(f"Nothing useful answers at {self.url} ({error}): start `make run` first") from None
        finally:
            connection.close()


def sign_in(url: str, *mobiles: str, **fields: str) -> Client:
    """Sign in as the first of these users who may get a code now. Raises BookingFailed."""
    client = Client(url)
    mobile, before = _request_code(client, mobiles)
    code = client.next_message(mobile, after=before)[:6]
    data = client.call("POST", "/auth/verify-otp", {"mobileNumber": mobile, "otp": code, **fields}).require_success()
    return Client(url, {"Authorization": f"Bearer {data['tokens']['accessToken']}"})


def _request_code(client: Client, mobiles: tuple[str, ...]) -> tuple[str, Message | None]:
    """Request a code; returns the number that gets it, and its newest message before that."""
    while True:
        waits = []
        for mobile in mobiles:
            before = client.newest_message(mobile)
            response = client.call("POST", "/auth/send-otp", {"mobileNumber": mobile})
            if response.status != HTTPStatus.TOO_MANY_REQUESTS:
                response.require_success()
                return mobile, before
            waits.append(int(response.headers["Retry-After"]))
        if min(waits) > _MAX_WAIT_SECONDS:
            raise BookingFailed(f"No more codes for {' or '.join(mobiles)} at present: wait for {min(waits)} seconds")
        print(f"    a number gets one code a minute: waiting {min(waits)} s")
        time.sleep(min(waits))


def free_times(client: Client) -> Iterator[dict[str, str]]:
    """Find the free times of the next two weeks, the first one of each doctor and day."""
    today = datetime.now(UTC).date()
    for day in (str(today + timedelta(days=number)) for number in range(1, _DAYS)):
        for doctor in client.call("GET", f"/users/doctors?date={day}").require_success()["items"]:
            slots = client.call("GET", f"/appointments/slots?doctorId={doctor['_id']}&date={day}").require_success()
            for slot in slots["availableSlots"][:1]:
                yield {"doctorId": doctor["_id"], "appointmentDate": day, "appointmentTime": slot["startTime"]}


def book(client: Client) -> dict[str, Any]:
    """Book the first free time, or the next one if somebody else is faster. Raises BookingFailed."""
    for free in free_times(client):
        response = client.call(
            "POST",
            "/appointments/book",
            {**free, "reason": "Fever since yesterday"},
            **{"Idempotency-Key": secrets.token_hex(16)},  # the same key again returns the same appointment
        )
        if response.body.get("error", {}).get("code") != "SLOT_UNAVAILABLE":
            appointment: dict[str, Any] = response.require_success()["appointment"]
            return appointment
    raise BookingFailed("The doctors are booked out for two weeks: `make reset` starts anew")


def main(url: str = DEFAULT_URL) -> int:
    """Book and confirm an appointment; returns the exit code."""
    mobile = f"98{secrets.randbelow(10**8):08}"
    try:
        print("1. A new patient signs in with the code of an SMS")
        patient = sign_in(url, mobile, name="Meena Patil")
        print("2. and books the first free time")
        before = patient.newest_message(mobile)
        appointment = book(patient)
        patient.next_message(mobile, after=before)
        print("3. The reception confirms it")
        before = patient.newest_message(mobile)
        reception = sign_in(url, _RECEPTIONIST, _ADMIN)
        reception.call("PUT", f"/appointments/{appointment['_id']}/status", {"status": "confirmed"}).require_success()
        patient.next_message(mobile, after=before)
    except BookingFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Booked and confirmed. All messages: {url}/dev/mailbox")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
