"""E-mail to another machine requires TLS with a valid certificate."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from arthomed.infra.email import SmtpEmail
from arthomed.notifications.gateways import DeliveryFailed, Email
from tests.api.notifications import fake_smtp
from tests.api.notifications.fake_smtp import PASSWORD

HOST = "mail.clinic.example"
CREDENTIALS = "clinic:p%40ss%20word"
EMAIL = Email("asha@example.com", "Your visit is confirmed", "Dear Asha,\n\nsee you soon.", "1")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(autouse=True)
def mail_server_dns(monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, tmp_path: Path) -> None:
    """The mail server's name resolves to 127.0.0.1, and this machine trusts the test CA."""
    getaddrinfo = socket.getaddrinfo

    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        return getaddrinfo("127.0.0.1" if host == HOST else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    trusted = tmp_path / "trusted.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))


def server_context(authority: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    """A TLS server context with a certificate for a name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def send(url: str) -> None:
    SmtpEmail(url, "clinic@arthomed.example").send(EMAIL, kind="appointment-confirmed")


def failure_of(url: str) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        send(url)
    return failed.value


def test_starttls_is_used_before_login(authority: trustme.CA) -> None:
    with fake_smtp.running(starttls=server_context(authority)) as smtp:
        send(f"smtp://{CREDENTIALS}@{HOST}:{smtp.port}")

    assert (smtp.over_tls, smtp.passwords) == ([True], [PASSWORD])


def test_smtps_uses_tls_from_the_start(authority: trustme.CA) -> None:
    with fake_smtp.running(tls=server_context(authority)) as smtp:
        send(f"smtps://{CREDENTIALS}@{HOST}:{smtp.port}")

    assert (len(smtp.accepted), smtp.passwords) == (1, [PASSWORD])


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("case", ["another name", "an unknown CA"])
def test_server_with_an_invalid_certificate_receives_neither_email_nor_password(
    authority: trustme.CA, scheme: str, case: str
) -> None:
    certificate = server_context(authority, "evil.example") if case == "another name" else server_context(trustme.CA())
    with fake_smtp.running(**{"starttls" if scheme == "smtp" else "tls": certificate}) as smtp:
        failure = failure_of(f"{scheme}://{CREDENTIALS}@{HOST}:{smtp.port}")

    assert (str(failure), failure.permanent) == ("SSLCertVerificationError", False)
    assert (smtp.accepted, smtp.passwords) == ([], [])


def test_nothing_is_sent_to_another_machine_without_starttls() -> None:
    """An attacker in the middle can remove STARTTLS from the server's reply."""
    with fake_smtp.running() as smtp:
        failure = failure_of(f"smtp://{CREDENTIALS}@{HOST}:{smtp.port}")

    assert (str(failure), failure.permanent) == ("SMTPNotSupportedError", False)
    assert (smtp.accepted, smtp.passwords) == ([], [])


@pytest.mark.parametrize("reply", ["454 TLS not available", "501 What?"])
def test_refused_starttls_aborts_the_session(reply: str) -> None:
    with fake_smtp.scripted({"EHLO": "250-hello\r\n250 STARTTLS", "STARTTLS": reply}) as (port, commands):
        failure = failure_of(f"smtp://{HOST}:{port}")

    assert (str(failure), failure.permanent) == (f"smtp {reply[:3]}", False)
    assert commands == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_relay_on_this_machine_may_be_used_without_tls(host: str) -> None:
    with fake_smtp.running() as smtp:
        send(f"smtp://{host}:{smtp.port}")

    assert smtp.over_tls == [False]


def test_relay_on_this_machine_is_used_with_starttls_when_it_offers_it(authority: trustme.CA) -> None:
    with fake_smtp.running(starttls=server_context(authority, "127.0.0.1")) as smtp:
        send(f"smtp://127.0.0.1:{smtp.port}")

    assert smtp.over_tls == [True]
