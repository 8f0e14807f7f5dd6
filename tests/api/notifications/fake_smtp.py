"""SMTP servers for tests: a whole one, with and without TLS, and one that answers as it is told or not at all."""

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
class PostOffice:
    """Takes everything, but for the answers that it was told to give; knows which letters came over TLS."""

    port: int
    rcpt: str = "250 OK"
    data: str = "250 OK"
    seconds: float = 0
    taken: list[Envelope] = field(default_factory=list)
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
            self.taken.append(envelope)
            self.over_tls.append(session.ssl is not None)
        return self.data

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.passwords.append(given.password)
        return AuthResult(success=given == LoginPassword(USER, PASSWORD), handled=False)

    def letter(self) -> EmailMessage:
        """The one letter that was taken."""
        [envelope] = self.taken
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> EmailMessage:
        """The part of the letter that is of this media type."""
        [found] = [one for one in self.letter().walk() if one.get_content_type() == kind]
        assert isinstance(found, EmailMessage)
        return found


@contextmanager
def opened(*, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None) -> Iterator[PostOffice]:
    """A post office of 127.0.0.1, with STARTTLS or TLS from the start when it is given a certificate."""
    office = PostOffice(free_port())
    controller = Controller(
        office,
        "127.0.0.1",
        office.port,
        authenticator=office.authenticate,
        auth_require_tls=False,
        tls_context=starttls,
        ssl_context=tls,
    )
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


HANGS_UP, SAYS_NOTHING = "", None
GREETING, END_OF_LETTER = "greeting", "."
_WELL = {GREETING: "220 hello", "EHLO": "250 hello", "DATA": "354 go on", "QUIT": "221 bye"}


@contextmanager
def scripted(answers: Mapping[str, str | None]) -> Iterator[tuple[int, list[str]]]:
    """A server's port, and the commands that it was given; it answers well to those that it was told nothing of."""
    heard: list[str] = []

    class Clerk(StreamRequestHandler):
        def handle(self) -> None:
            command = GREETING
            while (answer := {**_WELL, **answers}.get(command, "250 OK")) != HANGS_UP:
                if answer is not SAYS_NOTHING:
                    self.wfile.write(f"{answer}\r\n".encode())
                command = self._command(letter=answer == _WELL["DATA"])
                if not command:
                    return
                heard.append(command)

        def _command(self, *, letter: bool) -> str:
            line = self.rfile.readline()
            while letter and line not in (b".\r\n", b""):
                line = self.rfile.readline()
            return line.decode().strip().partition(" ")[0].upper()

    with ThreadingTCPServer(("127.0.0.1", 0), Clerk) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_address[1], heard
        server.shutdown()
