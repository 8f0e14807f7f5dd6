"""The base of fake HTTP services."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self


@dataclass
class FakeHttp:
    """A server on 127.0.0.1; `headers` are added to its responses, `was_cut_off` is set when a client stops reading."""

    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    was_cut_off: bool = False

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, object] | None:
        """The status and the content of the response to a POST, sent as JSON unless it is bytes.

        None closes the connection.
        """
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[Self]:
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            yield self
            server.shutdown()


def _handler(fake: FakeHttp) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            response = fake.respond(self.path, self.headers, body)
            if response is None:
                self.close_connection = True
                return
            status, content = response
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            length = {"Content-Length": str(len(text))}
            for name, value in {"Content-Type": "application/json", **fake.headers, **length}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(text)
            except ConnectionError:
                fake.was_cut_off = True

        def log_message(self, *_: object) -> None:
            """Do not write to standard error."""

    return Handler
