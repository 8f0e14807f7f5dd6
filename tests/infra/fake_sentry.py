"""An HTTP server that accepts error events like Sentry does."""

import gzip
import json
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from tests.fake_http import FakeHttp
from tests.stack import wait_for


@dataclass
class FakeSentry(FakeHttp):
    """`envelopes` are the received HTTP headers and uncompressed bodies."""

    envelopes: list[str] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return self.url.replace("//", "//key@") + "/1"

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, object]:
        assert (path, headers["Content-Encoding"]) == ("/api/1/envelope/", "gzip")
        self.envelopes.append(f"{headers}\n{gzip.decompress(body).decode()}")
        return 200, b""

    def event(self) -> dict[str, Any]:
        """Wait for an event and return it; fails if there are several."""
        [envelope] = wait_for(lambda: self.envelopes, what="an envelope")
        event: dict[str, Any] = json.loads(envelope.splitlines()[-1])
        return event
