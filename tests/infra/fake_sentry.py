"""An HTTP server that accepts error events like Sentry does."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.stack import wait_for


@dataclass
class FakeSentry:
    """`envelopes` are the received HTTP headers and uncompressed bodies."""

    dsn: str = ""
    envelopes: list[str] = field(default_factory=list)

    def event(self) -> dict[str, Any]:
        """Wait for an event and return it; fails if there are several."""
        [envelope] = wait_for(lambda: self.envelopes, what="an envelope")
        event: dict[str, Any] = json.loads(envelope.splitlines()[-1])
        return event


@contextmanager
def running() -> Iterator[FakeSentry]:
    sentry = FakeSentry()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(sentry)) as server:
        sentry.dsn = f"http://key@127.0.0.1:{server.server_port}/1"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield sentry
        server.shutdown()


def _handler(sentry: FakeSentry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["Content-Encoding"]) == ("/api/1/envelope/", "gzip")
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sentry.envelopes.append(f"{self.headers}\n{gzip.decompress(body).decode()}")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing to standard error."""

    return Handler
