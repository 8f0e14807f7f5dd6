"""E-mail over SMTP (RFC 5321)."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from arthomed.notifications.gateways import DeliveryFailed, Email

TIMEOUT_SECONDS = 5  # for each of about ten replies: together less than a message is leased for
_PERMANENT = 500  # RFC 5321 section 4.2.1: 5yz is a permanent refusal


class SmtpEmail:
    """`smtp://user:password@host:587` with STARTTLS when offered, `smtps://` with TLS from the start."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender

    def send(self, email: Email, *, kind: str) -> None:  # noqa: ARG002  the gateway's protocol
        try:
            with self._connection() as server:
                self._greet(server)
                server.send_message(self._composed(email), to_addrs=[email.to])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise DeliveryFailed(f"smtp {codes}", permanent=all(c >= _PERMANENT for c in codes)) from error
        except smtplib.SMTPDataError as error:
            raise DeliveryFailed(f"smtp {error.smtp_code}", permanent=error.smtp_code >= _PERMANENT) from error
        except ValueError as error:  # an address that can't be written into a header
            raise DeliveryFailed("no address", permanent=True) from error
        except (smtplib.SMTPException, OSError) as error:  # the rest, such as a wrong password, may be mended in time
            raise DeliveryFailed(type(error).__name__, permanent=False) from error

    def _connection(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(host, self._url.port or 25, timeout=TIMEOUT_SECONDS)

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if self._url.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    def _composed(self, email: Email) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, email.to, email.subject
        message["Date"], message["Message-ID"] = formatdate(usegmt=True), make_msgid(domain="arthomed")
        message.set_content(email.text)
        return message
