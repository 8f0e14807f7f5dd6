"""E-mail over SMTP (RFC 5321)."""

import smtplib
import ssl
import time
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from arthomed.notifications.gateways import DeliveryFailed, Email

REPLY_SECONDS, DIALOGUE_SECONDS = 5, 20  # for one reply, and for all before the letter
LETTER_SECONDS = 30  # for the reply to it, which may wait for filters; with the dialogue less than it is leased for
_GO_ON = 354  # RFC 5321 section 4.2.3: said to DATA, and nothing else
_PERMANENT = 500  # RFC 5321 section 4.2.1: 5yz is a permanent refusal
_SEVEN_BITS = SMTP.clone(cte_type="7bit")  # not every server takes more


class _PerhapsTaken(Exception):
    """The letter was sent, and nothing said of it: to send it again would be worse than not to."""


class _Dialogue(smtplib.SMTP):
    """Keeps to the times above, whatever the server does."""

    def __init__(self, host: str, port: int, **tls: Any) -> None:
        self._until = time.monotonic() + DIALOGUE_SECONDS
        self._is_letter = False
        super().__init__(host, port, timeout=REPLY_SECONDS, **tls)

    def getreply(self) -> tuple[int, bytes]:
        left = LETTER_SECONDS if self._is_letter else min(REPLY_SECONDS, self._until - time.monotonic())
        if left <= 0:
            self.close()
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)
        try:
            code, text = super().getreply()
        except OSError as error:  # smtplib's are such, too
            if self._is_letter:
                raise _PerhapsTaken from error
            raise
        self._is_letter = code == _GO_ON
        return code, text


class _DialogueOverTls(_Dialogue, smtplib.SMTP_SSL):
    """From its first byte."""


class SmtpEmail:
    """`smtp://user:password@host:587` with STARTTLS, `smtps://` with TLS from the start.

    Nothing leaves this machine in the clear: without TLS only a relay on it is talked to.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._host = self._url.hostname or "localhost"
        self._sender = sender

    def send(self, email: Email, *, kind: str) -> None:  # noqa: ARG002  the gateway's protocol
        try:
            with closing(self._connection()) as server:
                self._greet(server)
                self._hand_in(server, email)
                with suppress(smtplib.SMTPException):  # the letter is taken, whatever the server says to a farewell
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise DeliveryFailed(f"smtp {code}", permanent=code >= _PERMANENT) from error
        except smtplib.SMTPResponseException as error:
            # A refused letter is that for good; the rest, such as a wrong password, may be mended in time.
            permanent = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _PERMANENT
            raise DeliveryFailed(f"smtp {error.smtp_code}", permanent=permanent) from error
        except _PerhapsTaken as error:
            raise DeliveryFailed("no answer to the letter", permanent=True) from error
        except OSError as error:  # smtplib's are such; before ValueError, which a refused certificate is, too
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except ValueError as error:  # an address that can't be written into a header
            raise DeliveryFailed("no address", permanent=True) from error

    def _connection(self) -> smtplib.SMTP:
        if self._url.scheme == "smtps":
            return _DialogueOverTls(self._host, self._url.port or 465, context=ssl.create_default_context())
        return _Dialogue(self._host, self._url.port or 25)

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if self._url.scheme != "smtps" and (server.has_extn("starttls") or not self._is_here()):
            server.starttls(context=ssl.create_default_context())  # raises where it is not offered
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    def _is_here(self) -> bool:
        with suppress(ValueError):
            return ip_address(self._host).is_loopback
        return self._host == "localhost"

    def _hand_in(self, server: smtplib.SMTP, email: Email) -> None:
        try:
            server.send_message(self._composed(email), to_addrs=[email.to])
        except smtplib.SMTPNotSupportedError as error:  # an address in letters that this server doesn't take
            raise DeliveryFailed("no address", permanent=True) from error

    def _composed(self, email: Email) -> EmailMessage:
        message = EmailMessage(policy=_SEVEN_BITS)
        message["From"], message["To"], message["Subject"] = self._sender, email.to, email.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{email.reference}@{parseaddr(self._sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday is to answer it
        message.set_content(email.text)
        if email.html is not None:
            message.add_alternative(email.html, subtype="html")
        if email.invitation is not None:
            params = {"method": email.invitation.method, "name": "visit.ics"}
            message.add_alternative(email.invitation.content, subtype="calendar", params=params)
        return message
