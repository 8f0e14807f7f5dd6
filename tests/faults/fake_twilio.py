"""A fake of Twilio's HTTP API."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

ACCOUNT = "AC" + 32 * "0"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Log nothing: tests kill clients."""


class FakeTwilio:
    """Accepts SMS after `delay_seconds`; `accepted` holds their numbers in order."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self.accepted: list[str] = []
        twilio = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                twilio._accept(form["To"][0])
                body = b'{"sid": "SM1", "status": "queued"}'
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._stop = threading.Event()
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which a stack sends its SMS to this fake."""
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
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _accept(self, number: str) -> None:
        self.accepted.append(number.removeprefix("+91"))
        self._stop.wait(self.delay_seconds)
