"""A stand-in for Twilio's API at the wire, as slow as a test wants it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

ACCOUNT = "AC" + 32 * "0"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client was killed."""


class Gateway:
    """Takes SMS on a port of its own; `taken` are the numbers, in order, of those it answered for."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.taken: list[str] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                gateway._take(sent["To"][0])
                answer = b'{"sid": "SM1", "status": "queued"}'
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._pause = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def settings(self) -> dict[str, str]:
        """The environment that makes a stack send through here."""
        return {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": "a-token",
            "TWILIO_PHONE_NUMBER": "+15005550006",
            "TWILIO_API_URL": f"http://127.0.0.1:{self._server.server_port}",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._pause.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, number: str) -> None:
        self.taken.append(number.removeprefix("+91"))
        self._pause.wait(self.seconds)
