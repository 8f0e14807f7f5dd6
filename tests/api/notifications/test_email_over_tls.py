"""E-mail leaves this machine over TLS, to the server that was meant, or not at all."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from arthomed.infra.email import SmtpEmail
from arthomed.notifications.gateways import DeliveryFailed, Email
from tests.api import post_office
from tests.api.post_office import PASSWORD

HOST = "mail.clinic.example"
CREDENTIALS = "clinic:p%40ss%20word"
LETTER = Email("asha@example.com", "Your visit is confirmed", "Dear Asha,\n\nsee you soon.", "1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def internet(monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path) -> None:
    """The clinic's mail server is at 127.0.0.1 by its name, and this machine trusts the authority."""
    asked = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        return asked("127.0.0.1" if host == HOST else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    trusted = tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))


def certified(authority: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for a name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def send(url: str) -> None:
    SmtpEmail(url, "clinic@arthomed.example").send(LETTER, kind="appointment-confirmed")


def failure_of(url: str) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        send(url)
    return failed.value


def test_with_starttls(authority: trustme.CA) -> None:
    with post_office.opened(starttls=certified(authority)) as office:
        send(f"smtp://{CREDENTIALS}@{HOST}:{office.port}")

    assert (office.over_tls, office.passwords) == ([True], [PASSWORD])


def test_with_tls_from_the_start(authority: trustme.CA) -> None:
    with post_office.opened(tls=certified(authority)) as office:
        send(f"smtps://{CREDENTIALS}@{HOST}:{office.port}")

    assert (len(office.taken), office.passwords) == (1, [PASSWORD])


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("case", ["another name", "an authority that nobody knows"])
def test_a_server_that_can_not_show_who_it_is_gets_neither_letter_nor_password(
    authority: trustme.CA, scheme: str, case: str
) -> None:
    certificate = certified(authority, "evil.example") if case == "another name" else certified(trustme.CA())
    with post_office.opened(**{"starttls" if scheme == "smtp" else "tls": certificate}) as office:
        failure = failure_of(f"{scheme}://{CREDENTIALS}@{HOST}:{office.port}")

    assert (str(failure), failure.permanent) == ("SSLCertVerificationError", False)
    assert (office.taken, office.passwords) == ([], [])


def test_without_starttls_nothing_is_sent_to_another_machine() -> None:
    """As when somebody in between takes the offer out of the server's answer."""
    with post_office.opened() as office:
        failure = failure_of(f"smtp://{CREDENTIALS}@{HOST}:{office.port}")

    assert (str(failure), failure.permanent) == ("SMTPNotSupportedError", False)
    assert (office.taken, office.passwords) == ([], [])


@pytest.mark.parametrize("answer", ["454 TLS not available", "501 What?"])
def test_a_refused_starttls_is_no_reason_to_go_on_in_the_clear(answer: str) -> None:
    with post_office.scripted({"EHLO": "250-hello\r\n250 STARTTLS", "STARTTLS": answer}) as (port, heard):
        failure = failure_of(f"smtp://{HOST}:{port}")

    assert (str(failure), failure.permanent) == (f"smtp {answer[:3]}", False)
    assert heard == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_relay_on_this_machine_may_do_without(host: str) -> None:
    with post_office.opened() as office:
        send(f"smtp://{host}:{office.port}")

    assert office.over_tls == [False]


def test_a_relay_on_this_machine_that_offers_starttls_is_taken_at_its_word(authority: trustme.CA) -> None:
    with post_office.opened(starttls=certified(authority, "127.0.0.1")) as office:
        send(f"smtp://127.0.0.1:{office.port}")

    assert office.over_tls == [True]
