"""E-mail over SMTP (RFC 5321)."""

import smtplib
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from arthomed.notifications.gateways import DeliveryFailed, Email

TIMEOUT_SECONDS = 5  # for each of about ten replies: together less than a message is leased for
_PERMANENT = 500  # RFC 5321 section 4.2.1: 5yz is a permanent refusal
_SEVEN_BITS = SMTP.clone(cte_type="7bit")  # not every server takes more


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
                server.send_message(self._composed(email), to_addrs=[email.to])
                with suppress(smtplib.SMTPException):  # the letter is taken, whatever the server says to a farewell
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            [(code, _)] = error.recipients.values()
            raise DeliveryFailed(f"smtp {code}", permanent=code >= _PERMANENT) from error
        except smtplib.SMTPResponseException as error:
            # A refused letter is that for good; the rest, such as a wrong password, may be mended in time.
            permanent = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= _PERMANENT
            raise DeliveryFailed(f"smtp {error.smtp_code}", permanent=permanent) from error
        except OSError as error:  # smtplib's are such; before ValueError, which a refused certificate is, too
            raise DeliveryFailed(type(error).__name__, permanent=False) from error
        except ValueError as error:  # an address that can't be written into a header
            raise DeliveryFailed("no address", permanent=True) from error

    def _connection(self) -> smtplib.SMTP:
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(self._host, self._url.port or 25, timeout=TIMEOUT_SECONDS)

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
