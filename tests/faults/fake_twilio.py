"""A fake of Twilio's HTTP API."""

import time
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qs

from tests.fake_http import FakeHttp

ACCOUNT = "AC" + 32 * "0"


@dataclass
class FakeTwilio(FakeHttp):
    """Accepts SMS after `delay_seconds`; `accepted` holds their numbers in order."""

    delay_seconds: float = 0.0
    accepted: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which a stack sends its SMS to this fake."""
        return {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": 32 * "1",
            "TWILIO_PHONE_NUMBER": "+15005550006",
            "TWILIO_API_URL": self.url,
        }

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, object]:
        del path, headers
        self.accepted.append(parse_qs(body.decode())["To"][0].removeprefix("+91"))
        time.sleep(self.delay_seconds)
        return 201, {"sid": "SM1", "status": "queued"}
