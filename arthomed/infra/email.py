"""E-mail over SMTP (RFC 5321)."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from arthomed.notifications.gateways import DeliveryFailed, Email

TIMEOUT_SECONDS = 10
_PERMANENT = 500  # RFC 5321 section 4.2.1: 5yz is a permanent refusal


class SmtpEmail:
    """`smtp://user:password@host:587` with STARTTLS when offered, `smtps://` with TLS from the start."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender

    def send(self, email: Email, *, kind: str) -> None:  # noqa: ARG002  the gateway's protocol
        try:
            with self._connection() as server:
                server.send_message(self._composed(email))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise DeliveryFailed(f"smtp {codes}", permanent=all(c >= _PERMANENT for c in codes)) from error
        except smtplib.SMTPResponseException as error:
            permanent = error.smtp_code >= _PERMANENT
            raise DeliveryFailed(f"smtp {error.smtp_code}", permanent=permanent) from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(type(error).__name__, permanent=False) from error

    def _connection(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(host, self._url.port or 25, timeout=TIMEOUT_SECONDS)
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))
        return server

    def _composed(self, email: Email) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, email.to, email.subject
        message["Date"], message["Message-ID"] = formatdate(usegmt=True), make_msgid(domain="arthomed")
        message.set_content(email.text)
        return message
