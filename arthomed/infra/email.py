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

REPLY_SECONDS, SESSION_SECONDS = 5, 20  # for one reply, and for all replies before the content
CONTENT_SECONDS = 30  # for the reply to the content, which spam filters may delay; with the session below the lease
_START_MAIL_INPUT = 354  # RFC 5321 section 4.2.3: the reply to DATA only
_PERMANENT = 500  # RFC 5321 section 4.2.1: 5yz is a permanent refusal
_SEVEN_BITS = SMTP.clone(cte_type="7bit")  # not every server accepts 8BITMIME


class _PossiblyAccepted(Exception):
    """The content was sent, but no reply came; a retry could send the e-mail twice."""


class _TimedSmtp(smtplib.SMTP):
    """Enforces the time limits above, however slowly the server replies."""

    def __init__(self, host: str, port: int, **tls: Any) -> None:
        self._deadline = time.monotonic() + SESSION_SECONDS
        self._is_content = False
        super().__init__(host, port, timeout=REPLY_SECONDS, **tls)

    def getreply(self) -> tuple[int, bytes]:
        left = CONTENT_SECONDS if self._is_content else min(REPLY_SECONDS, self._deadline - time.monotonic())
        if left <= 0:
            self.close()
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)
        try:
            code, text = super().getreply()
        except OSError as error:  # smtplib's exceptions are OSErrors, too
            if self._is_content:
                raise _PossiblyAccepted from error
            raise
        self._is_content = code == _START_MAIL_INPUT
        return code, text


class _TimedSmtpOverTls(_TimedSmtp, smtplib.SMTP_SSL):
    """With TLS from the first byte."""


class SmtpEmail:
    """`smtp://user:password@host:587` uses STARTTLS, `smtps://` uses TLS from the start.

    Only a relay on this machine may be used without TLS.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._host = str(self._url.hostname)  # SMTP_URL has one
        self._sender = sender

    def send(self, email: Email, *, kind: str) -> None:  # noqa: ARG002  part of the protocol
        try:
            with closing(self._connect()) as server:
                self._start_session(server)
                self._transmit(server, email)
                with suppress(smtplib.SMTPException):  # the server has accepted the e-mail already
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise DeliveryFailed(f"smtp {code}", permanent=code >= _PERMANENT) from error
        except smtplib.SMTPResponseException as error:
            # A refusal of the content is permanent; other errors, such as a wrong password, can be fixed.
            permanent = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _PERMANENT
            raise DeliveryFailed(f"smtp {error.smtp_code}", permanent=permanent) from error
        except _PossiblyAccepted as error:
            raise DeliveryFailed("no reply to the content", permanent=True) from error
        except OSError as error:  # also smtplib's; before ValueError, a base of SSLCertVerificationError
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except ValueError as error:  # the address is not valid in a header
            raise DeliveryFailed("invalid address", permanent=True) from error

    def _connect(self) -> smtplib.SMTP:
        if self._url.scheme == "smtps":
            return _TimedSmtpOverTls(self._host, self._url.port or 465, context=ssl.create_default_context())
        return _TimedSmtp(self._host, self._url.port or 25)

    def _start_session(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if self._url.scheme != "smtps" and (server.has_extn("starttls") or not self._is_loopback()):
            server.starttls(context=ssl.create_default_context())  # raises when the server does not offer it
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    def _is_loopback(self) -> bool:
        with suppress(ValueError):
            return ip_address(self._host).is_loopback
        return self._host == "localhost"

    def _transmit(self, server: smtplib.SMTP, email: Email) -> None:
        try:
            server.send_message(self._build(email), to_addrs=[email.to])
        except smtplib.SMTPNotSupportedError as error:  # a non-ASCII address, and a server without SMTPUTF8
            raise DeliveryFailed("invalid address", permanent=True) from error

    def _build(self, email: Email) -> EmailMessage:
        message = EmailMessage(policy=_SEVEN_BITS)
        message["From"], message["To"], message["Subject"] = self._sender, email.to, email.subject
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{email.reference}@{parseaddr(self._sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: prevents out-of-office replies
        message.set_content(email.text)
        if email.html is not None:
            message.add_alternative(email.html, subtype="html")
        if email.invitation is not None:
            params = {"method": email.invitation.method, "name": "appointment.ics"}
            message.add_alternative(email.invitation.content, subtype="calendar", params=params)
        return message
