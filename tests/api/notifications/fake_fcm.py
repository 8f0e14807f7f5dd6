"""A fake of Google's token endpoint and of FCM that can also misbehave."""

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


def error(status: str, code: str | None = None) -> dict[str, Any]:
    """The body of an error response of Google."""
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}] if code else []
    return {"error": {"code": 0, "message": "never stored", "status": status, "details": details}}


@dataclass
class FakeFcm:
    """Issues access tokens for assertions that the account signed, and accepts messages with the latest token.

    `responses` replace the responses to the next messages (None closes the connection), `token_response` those of the
    token endpoint.
    """

    responses: list[tuple[int, object] | None] = field(default_factory=list)
    token_response: tuple[int, object] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    expires_in: int = 3600
    issued_tokens: int = 0
    accepted: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def token(self) -> str:
        return f"access-token-{self.issued_tokens}"

    def credentials(self, folder: Path) -> Path:
        """Write the key file of the service account."""
        pem = KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        account = {"client_email": EMAIL, "private_key": pem.decode(), "project_id": PROJECT, "type": "service_account"}
        file = folder / "account.json"
        file.write_text(json.dumps({**account, "token_uri": f"{self.url}/token"}))
        return file

    def issue_token(self, form: dict[str, list[str]]) -> tuple[int, object]:
        if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return 400, {"error": "unsupported_grant_type"}
        options: Any = {"require": ["iss", "aud", "iat", "exp", "scope"]}
        claims = jwt.decode(
            form["assertion"][0], KEY.public_key(), algorithms=["RS256"], audience=f"{self.url}/token", options=options
        )
        assert (claims["iss"], claims["scope"]) == (EMAIL, "https://www.googleapis.com/auth/firebase.messaging")
        if self.token_response is not None:
            return self.token_response
        self.issued_tokens += 1
        return 200, {"access_token": self.token, "expires_in": self.expires_in, "token_type": "Bearer"}

    def accept(self, authorization: str, body: dict[str, Any]) -> tuple[int, object] | None:
        if authorization != f"Bearer {self.token}":
            return 401, error("UNAUTHENTICATED")
        if self.responses:
            return self.responses.pop(0)
        self.accepted.append(body["message"])
        return 200, {"name": f"projects/{PROJECT}/messages/1"}


@contextmanager
def running() -> Iterator[FakeFcm]:
    fcm = FakeFcm()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(fcm)) as server:
        fcm.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield fcm
        server.shutdown()


def _handler(fcm: FakeFcm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            response: tuple[int, object] | None = (404, error("NOT_FOUND"))
            if self.path == "/token":
                response = fcm.issue_token(parse_qs(body))
            elif self.path == SEND:
                response = fcm.accept(self.headers["Authorization"], json.loads(body))
            if response is None:
                self.close_connection = True
                return
            text = response[1] if isinstance(response[1], bytes) else json.dumps(response[1]).encode()
            self.send_response(response[0])
            for name, value in fcm.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Do not write to standard error."""

    return Handler
