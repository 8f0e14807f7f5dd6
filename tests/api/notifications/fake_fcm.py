"""A server that answers as Google's token endpoint and FCM do, or misbehaves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

EMAIL, PROJECT = "clinic@project.example", "clinic-of-the-tests"
SEND = f"/v1/projects/{PROJECT}/messages:send"
KEY: RSAPrivateKey = generate_private_key(65537, 2048)


def refusal(status: str, code: str | None = None) -> dict[str, Any]:
    """An error as Google words it."""
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}] if code else []
    return {"error": {"code": 0, "message": "never kept", "status": status, "details": details}}


@dataclass
class Google:
    """Gives tokens for assertions that the account signed, and takes messages of those who have the last one.

    `answers` are given to the next messages instead (None: it hangs up), `token_answer` to all who ask for a token.
    """

    answers: list[tuple[int, object] | None] = field(default_factory=list)
    token_answer: tuple[int, object] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    expires_in: int = 3600
    given: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def token(self) -> str:
        return f"access-token-{self.given}"

    def credentials(self, folder: Path) -> Path:
        """The file of the service account."""
        pem = KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        told = {"client_email": EMAIL, "private_key": pem.decode(), "project_id": PROJECT, "type": "service_account"}
        file = folder / "account.json"
        file.write_text(json.dumps({**told, "token_uri": f"{self.url}/token"}))
        return file

    def give_token(self, form: dict[str, list[str]]) -> tuple[int, object]:
        if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return 400, {"error": "unsupported_grant_type"}
        options: Any = {"require": ["iss", "aud", "iat", "exp", "scope"]}
        claims = jwt.decode(
            form["assertion"][0], KEY.public_key(), algorithms=["RS256"], audience=f"{self.url}/token", options=options
        )
        assert (claims["iss"], claims["scope"]) == (EMAIL, "https://www.googleapis.com/auth/firebase.messaging")
        if self.token_answer is not None:
            return self.token_answer
        self.given += 1
        return 200, {"access_token": self.token, "expires_in": self.expires_in, "token_type": "Bearer"}

    def take(self, authorization: str, body: dict[str, Any]) -> tuple[int, object] | None:
        if authorization != f"Bearer {self.token}":
            return 401, refusal("UNAUTHENTICATED")
        if self.answers:
            return self.answers.pop(0)
        self.taken.append(body["message"])
        return 200, {"name": f"projects/{PROJECT}/messages/1"}


@contextmanager
def running() -> Iterator[Google]:
    found = Google()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield found
        server.shutdown()


def _handler(google: Google) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            answer: tuple[int, object] | None = (404, refusal("NOT_FOUND"))
            if self.path == "/token":
                answer = google.give_token(parse_qs(sent))
            elif self.path == SEND:
                answer = google.take(self.headers["Authorization"], json.loads(sent))
            if answer is None:
                self.close_connection = True
                return
            text = answer[1] if isinstance(answer[1], bytes) else json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            for name, value in google.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing on standard error."""

    return Handler
