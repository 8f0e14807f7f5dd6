"""E-mail over SMTP, to a real server that accepts or refuses it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from icalendar import Calendar

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.infra import email as infra_email
from arthomed.infra.email import SmtpEmail
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed, Email, Invitation
from arthomed.notifications.models import Channel, Notification, State
from dev.servers import free_port
from tests import factories
from tests.api.notifications import fake_smtp
from tests.api.notifications.fake_smtp import CLOSES_CONNECTION, END_OF_CONTENT, GREETING, SILENT, FakeSmtp
from tests.api.notifications.outbox import change_status, delivery_configured, make_appointment, only_message

SENDER = "Arthomed <clinic@arthomed.example>"
EMAIL = Email("asha@example.com", "Your visit is confirmed", "Dear Asha,\n\nsee you soon.", "672b1234a1b2c3d4e5f60718")


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with fake_smtp.running() as server:
        yield server


@pytest.fixture
def gateway(smtp: FakeSmtp) -> SmtpEmail:
    return SmtpEmail(f"smtp://127.0.0.1:{smtp.port}", SENDER)


def failure_of(gateway: SmtpEmail, email: Email = EMAIL) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        gateway.send(email, kind="appointment-confirmed")
    assert "asha" not in str(failed.value)
    return failed.value


class TestEmail:
    def test_envelope_headers_and_text_are_complete(self, smtp: FakeSmtp, gateway: SmtpEmail) -> None:
        gateway.send(EMAIL, kind="appointment-confirmed")

        [envelope] = smtp.accepted
        assert (envelope.mail_from, envelope.rcpt_tos) == ("clinic@arthomed.example", ["asha@example.com"])
        email = smtp.email()
        assert (email["From"], email["To"], email["Subject"]) == (SENDER, "asha@example.com", EMAIL.subject)
        assert email.get_content() == EMAIL.text.replace("\n", "\r\n") + "\r\n"
        assert email["Date"]
        assert email["Auto-Submitted"] == "auto-generated"

    def test_message_id_is_the_reference(self, smtp: FakeSmtp, gateway: SmtpEmail) -> None:
        gateway.send(EMAIL, kind="appointment-confirmed")

        assert smtp.email()["Message-ID"] == "<672b1234a1b2c3d4e5f60718@arthomed.example>"

    def test_other_scripts_are_encoded_as_ascii(self, smtp: FakeSmtp, gateway: SmtpEmail) -> None:
        gateway.send(replace(EMAIL, subject="आपकी विज़िट", text="प्रिय आशा"), kind="appointment-confirmed")

        assert (smtp.email()["Subject"], smtp.email().get_content()) == ("आपकी विज़िट", "प्रिय आशा\r\n")
        [envelope] = smtp.accepted
        assert isinstance(envelope.content, bytes)
        assert envelope.content.isascii()

    def test_html_and_invitation_are_alternatives_to_the_text(self, smtp: FakeSmtp, gateway: SmtpEmail) -> None:
        invitation = Invitation("REQUEST", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
        gateway.send(replace(EMAIL, html="<p>Namaste आशा</p>", invitation=invitation), kind="appointment-confirmed")

        kinds = [part.get_content_type() for part in smtp.email().walk()]
        assert kinds == ["multipart/alternative", "text/plain", "text/html", "text/calendar"]
        assert smtp.part("text/html").get_content() == "<p>Namaste आशा</p>\r\n"
        event = smtp.part("text/calendar")
        assert event["Content-Type"].params == {"charset": "utf-8", "method": "REQUEST", "name": "appointment.ics"}
        assert event.get_content() == invitation.content

    @pytest.mark.parametrize("subject", ["Hello\nBcc: all@example.com", "Hello\r\n\r\nbody"])
    def test_subject_cannot_inject_a_header(self, smtp: FakeSmtp, gateway: SmtpEmail, subject: str) -> None:
        assert failure_of(gateway, replace(EMAIL, subject=subject)).permanent
        assert smtp.accepted == []


class TestServerErrors:
    @pytest.mark.parametrize(
        ("step", "reply", "permanent"),
        [
            ("RCPT", "550 No such user", True),
            ("RCPT", "451 Try again later", False),
            ("RCPT", "421 Closing", False),
            ("DATA", "554 No", True),
            ("DATA", "451 Later", False),
            (END_OF_CONTENT, "554 Refused as spam", True),
            (END_OF_CONTENT, "452 Out of storage", False),
            (GREETING, "554 Not you", False),
            (GREETING, "421 Busy", False),
            ("MAIL", "553 Not this sender", False),
            ("MAIL", "451 Later", False),
        ],
    )
    def test_only_a_refusal_of_this_email_is_permanent(self, step: str, reply: str, *, permanent: bool) -> None:
        with fake_smtp.scripted({step: reply}) as (port, _):
            failure = failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER))

        assert (str(failure), failure.permanent) == (f"smtp {reply[:3]}", permanent)

    @pytest.mark.parametrize("step", [GREETING, "EHLO", "MAIL", "RCPT", "DATA"])
    @pytest.mark.parametrize("error", [CLOSES_CONNECTION, SILENT], ids=["closes the connection", "silent"])
    def test_connection_error_before_the_content_is_retried(
        self, monkeypatch: pytest.MonkeyPatch, step: str, error: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        with fake_smtp.scripted({step: error}) as (port, _):
            assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER)).permanent

    @pytest.mark.parametrize("error", [CLOSES_CONNECTION, SILENT], ids=["closes the connection", "silent"])
    def test_email_that_may_have_been_accepted_is_not_retried(
        self, monkeypatch: pytest.MonkeyPatch, error: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "CONTENT_SECONDS", 0.2)
        with fake_smtp.scripted({END_OF_CONTENT: error}) as (port, _):
            failure = failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER))

        assert (str(failure), failure.permanent) == ("no reply to the content", True)

    def test_reply_to_the_content_may_take_longer_than_other_replies(
        self, monkeypatch: pytest.MonkeyPatch, smtp: FakeSmtp, gateway: SmtpEmail
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        smtp.seconds = 0.5
        gateway.send(EMAIL, kind="appointment-confirmed")

        assert len(smtp.accepted) == 1

    def test_slow_session_is_aborted_after_the_time_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(infra_email, "SESSION_SECONDS", 0)
        with fake_smtp.scripted({}) as (port, _):
            assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER)).permanent

    @pytest.mark.parametrize("reply", ["421 Too late", "500 What?", CLOSES_CONNECTION, SILENT])
    def test_error_on_quit_does_not_fail_an_accepted_email(
        self, monkeypatch: pytest.MonkeyPatch, reply: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        with fake_smtp.scripted({"QUIT": reply}) as (port, commands):
            SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER).send(EMAIL, kind="appointment-confirmed")

        assert commands[-1] == "QUIT"

    def test_unavailable_server_is_retried(self) -> None:
        assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{free_port()}", SENDER)).permanent


class TestLogin:
    def test_login_uses_the_password_of_the_url(self, smtp: FakeSmtp) -> None:
        SmtpEmail(f"smtp://clinic:p%40ss%20word@127.0.0.1:{smtp.port}", SENDER).send(EMAIL, kind="code")

        assert len(smtp.accepted) == 1

    def test_wrong_password_is_retried(self, smtp: FakeSmtp) -> None:
        failure = failure_of(SmtpEmail(f"smtp://clinic:wrong@127.0.0.1:{smtp.port}", SENDER))

        assert (str(failure), failure.permanent, smtp.accepted) == ("smtp 535", False, [])


@pytest.fixture
def smtp_configured(gateway: SmtpEmail) -> Iterator[None]:
    """The application sends its e-mail to the fake server."""
    with delivery_configured(email=gateway):
        yield


def email_about(appointment: Appointment, status: Status = Status.CONFIRMED) -> Notification:
    """Change the status of an appointment; returns the waiting e-mail about it."""
    change_status(appointment, status)
    return only_message(subject=appointment.id, channel=Channel.EMAIL, kind=f"appointment-{status}")


@pytest.mark.usefixtures("database", "smtp_configured")
class TestPatientNotification:
    def test_confirmation_is_sent_by_email(self, smtp: FakeSmtp) -> None:
        message = email_about(make_appointment(EMAIL.to))

        assert notifications.send(message.id) is State.SENT
        day: date = factories.tomorrow()
        assert smtp.part("text/plain").get_content() == (
            f"Dear Asha Verma,\r\n\r\nYour visit with Dr Meera Iyer on {day:%d %b %Y} at 09:00 is confirmed."
            "\r\n\r\nArthomed\r\n"
        )
        assert f"Your visit with Dr Meera Iyer on {day:%d %b %Y}" in smtp.part("text/html").get_content()
        assert smtp.email()["Message-ID"] == f"<{message.id}@arthomed.example>"

    def test_email_is_in_the_language_of_the_patient(self, smtp: FakeSmtp) -> None:
        notifications.send(email_about(make_appointment(EMAIL.to, profile={"language": "hi"})).id)

        assert smtp.email()["Subject"] == "आपकी मुलाकात पक्की हो गई है"
        assert smtp.part("text/plain").get_content().startswith("प्रिय Asha Verma,")
        assert '<html lang="hi">' in smtp.part("text/html").get_content()

    def test_confirmation_contains_an_invitation(self, smtp: FakeSmtp) -> None:
        appointment = make_appointment(EMAIL.to)
        notifications.send(email_about(appointment).id)

        method, event = invitation_in(smtp)
        assert (method, event["STATUS"], event["SEQUENCE"]) == ("REQUEST", "CONFIRMED", 1)
        assert (event["DTSTART"].dt, event["DTEND"].dt) == (appointment.starts_at, appointment.ends_at)
        assert (event["ATTENDEE"], event["ORGANIZER"]) == ("mailto:asha@example.com", "mailto:clinic@arthomed.example")

    def test_cancellation_cancels_the_invitation(self, smtp: FakeSmtp) -> None:
        appointment = make_appointment(EMAIL.to)
        notifications.send(email_about(appointment).id)
        _, confirmed = invitation_in(smtp)
        smtp.accepted.clear()
        notifications.send(email_about(appointment, Status.CANCELLED).id)

        method, cancelled = invitation_in(smtp)
        assert (method, cancelled["STATUS"], cancelled["UID"]) == ("CANCEL", "CANCELLED", confirmed["UID"])
        assert cancelled["SEQUENCE"] > confirmed["SEQUENCE"]

    def test_cancellation_of_an_unconfirmed_appointment_has_no_calendar_part(self, smtp: FakeSmtp) -> None:
        notifications.send(email_about(make_appointment(EMAIL.to), Status.CANCELLED).id)

        assert "text/calendar" not in [part.get_content_type() for part in smtp.email().walk()]


def invitation_in(smtp: FakeSmtp) -> tuple[str, Any]:
    """The method and the only event of the calendar in the accepted e-mail."""
    part = smtp.part("text/calendar")
    calendar: Any = Calendar.from_ical(part.get_content())
    [event] = calendar.walk("VEVENT")
    assert part["Content-Type"].params["method"] == calendar["METHOD"]
    return str(calendar["METHOD"]), event
