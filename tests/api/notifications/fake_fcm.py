"""A fake of Google's token endpoint and of FCM that can also misbehave."""

import json
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.fake_http import FakeHttp

EMAIL, PROJECT = "clinic@project.example", "clinic-of-the-tests"
SEND = f"/v1/projects/{PROJECT}/messages:send"
KEY: RSAPrivateKey = generate_private_key(65537, 2048)


def error(
    status: str, code: str | None = None, *, message: str = "never stored", fields: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The body of an error response of Google; `fields` are those that a BadRequest names."""
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if fields:
        violations = [{"field": name, "description": "never stored"} for name in fields]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    return {"error": {"code": 0, "message": message, "status": status, "details": details}}


def invalid_argument(
    *fields: str, code: str | None = "INVALID_ARGUMENT", message: str = "never stored"
) -> tuple[int, object]:
    """A refusal of an argument, with the fields that FCM names."""
    return 400, error("INVALID_ARGUMENT", code, message=message, fields=fields)


@dataclass
class FakeFcm(FakeHttp):
    """Issues access tokens for assertions that the account signed, and accepts messages with the latest token.

    `responses` replace the responses to the next messages (None closes the connection), `token_response` those of the
    token endpoint.
    """

    responses: list[tuple[int, object] | None] = field(default_factory=list)
    token_response: tuple[int, object] | None = None
    expires_in: int = 3600
    issued_tokens: int = 0
    accepted: list[dict[str, Any]] = field(default_factory=list)

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

    def respond(self, path: str, headers: Message, body: bytes) -> tuple[int, object] | None:
        if path == "/token":
            return self.issue_token(parse_qs(body.decode()))
        return self.accept(headers["Authorization"], json.loads(body)) if path == SEND else (404, error("NOT_FOUND"))

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
