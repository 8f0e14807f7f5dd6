"""SMTP servers for tests: a complete one, with and without TLS, and one with scripted replies."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dev.servers import free_port

USER, PASSWORD = b"clinic", b"p@ss word"


@dataclass
class FakeSmtp:
    """Accepts all e-mails unless `rcpt` or `data` has another reply; `seconds` delays the reply to the content."""

    port: int
    rcpt: str = "250 OK"
    data: str = "250 OK"
    seconds: float = 0
    accepted: list[Envelope] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    passwords: list[bytes] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.seconds)
        if self.data.startswith("250"):
            self.accepted.append(envelope)
            self.over_tls.append(session.ssl is not None)
        return self.data

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, credentials: Any
    ) -> AuthResult:
        assert isinstance(credentials, LoginPassword)
        self.passwords.append(credentials.password)
        return AuthResult(success=credentials == LoginPassword(USER, PASSWORD), handled=False)

    def email(self) -> EmailMessage:
        """The only accepted e-mail."""
        [envelope] = self.accepted
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, content_type: str) -> EmailMessage:
        """The part of the e-mail with this content type."""
        [found] = [one for one in self.email().walk() if one.get_content_type() == content_type]
        assert isinstance(found, EmailMessage)
        return found


@contextmanager
def running(*, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None) -> Iterator[FakeSmtp]:
    """A server on 127.0.0.1, with STARTTLS or with TLS from the start when a certificate is given."""
    server = FakeSmtp(free_port())
    controller = Controller(
        server,
        "127.0.0.1",
        server.port,
        authenticator=server.authenticate,
        auth_require_tls=False,
        tls_context=starttls,
        ssl_context=tls,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


CLOSES_CONNECTION, SILENT = "", None
GREETING, END_OF_CONTENT = "greeting", "."
_DEFAULT_REPLIES = {GREETING: "220 hello", "EHLO": "250 hello", "DATA": "354 go on", "QUIT": "221 bye"}


@contextmanager
def scripted(replies: Mapping[str, str | None]) -> Iterator[tuple[int, list[str]]]:
    """The port of a server with the given replies (default: success) and the list of commands that it receives."""
    received: list[str] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            command = GREETING
            while (reply := {**_DEFAULT_REPLIES, **replies}.get(command, "250 OK")) != CLOSES_CONNECTION:
                if reply is not SILENT:
                    self.wfile.write(f"{reply}\r\n".encode())
                command = self._read_command(is_content=reply == _DEFAULT_REPLIES["DATA"])
                if not command:
                    return
                received.append(command)

        def _read_command(self, *, is_content: bool) -> str:
            line = self.rfile.readline()
            while is_content and line not in (b".\r\n", b""):
                line = self.rfile.readline()
            return line.decode().strip().partition(" ")[0].upper()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1], received
        server.shutdown()
