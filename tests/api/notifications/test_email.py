"""E-mail over SMTP, to a real server that takes or refuses it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.infra import email as infra_email
from arthomed.infra.email import SmtpEmail
from arthomed.notifications import outlets
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed, Email, Invitation
from arthomed.notifications.models import Channel, Notification, State
from dev.servers import free_port
from tests import factories
from tests.api import post_office
from tests.api.post_office import END_OF_LETTER, GREETING, HANGS_UP, SAYS_NOTHING, PostOffice

SENDER = "Arthomed <clinic@arthomed.example>"
LETTER = Email("asha@example.com", "Your visit is confirmed", "Dear Asha,\n\nsee you soon.", "672b1234a1b2c3d4e5f60718")


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with post_office.opened() as opened:
        yield opened


@pytest.fixture
def gateway(office: PostOffice) -> SmtpEmail:
    return SmtpEmail(f"smtp://127.0.0.1:{office.port}", SENDER)


def failure_of(gateway: SmtpEmail, letter: Email = LETTER) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        gateway.send(letter, kind="appointment-confirmed")
    assert "asha" not in str(failed.value)
    return failed.value


class TestALetter:
    def test_arrives_as_it_was_written(self, office: PostOffice, gateway: SmtpEmail) -> None:
        gateway.send(LETTER, kind="appointment-confirmed")

        [envelope] = office.taken
        assert (envelope.mail_from, envelope.rcpt_tos) == ("clinic@arthomed.example", ["asha@example.com"])
        letter = office.letter()
        assert (letter["From"], letter["To"], letter["Subject"]) == (SENDER, "asha@example.com", LETTER.subject)
        assert letter.get_content() == LETTER.text.replace("\n", "\r\n") + "\r\n"
        assert letter["Date"]
        assert letter["Auto-Submitted"] == "auto-generated"

    def test_is_the_same_message_when_it_is_sent_again(self, office: PostOffice, gateway: SmtpEmail) -> None:
        gateway.send(LETTER, kind="appointment-confirmed")

        assert office.letter()["Message-ID"] == "<672b1234a1b2c3d4e5f60718@arthomed.example>"

    def test_is_written_in_any_script(self, office: PostOffice, gateway: SmtpEmail) -> None:
        gateway.send(replace(LETTER, subject="आपकी विज़िट", text="प्रिय आशा"), kind="appointment-confirmed")

        assert (office.letter()["Subject"], office.letter().get_content()) == ("आपकी विज़िट", "प्रिय आशा\r\n")
        [envelope] = office.taken
        assert isinstance(envelope.content, bytes)
        assert envelope.content.isascii()

    def test_has_the_same_words_in_html_and_the_invitation_last(self, office: PostOffice, gateway: SmtpEmail) -> None:
        invitation = Invitation("REQUEST", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
        gateway.send(replace(LETTER, html="<p>Namaste आशा</p>", invitation=invitation), kind="appointment-confirmed")

        kinds = [part.get_content_type() for part in office.letter().walk()]
        assert kinds == ["multipart/alternative", "text/plain", "text/html", "text/calendar"]
        assert office.part("text/html").get_content() == "<p>Namaste आशा</p>\r\n"
        event = office.part("text/calendar")
        assert event["Content-Type"].params == {"charset": "utf-8", "method": "REQUEST", "name": "visit.ics"}
        assert event.get_content() == invitation.content

    @pytest.mark.parametrize("subject", ["Hello\nBcc: all@example.com", "Hello\r\n\r\nbody"])
    def test_has_no_header_smuggled_in(self, office: PostOffice, gateway: SmtpEmail, subject: str) -> None:
        assert failure_of(gateway, replace(LETTER, subject=subject)).permanent
        assert office.taken == []


class TestAServerThatFails:
    @pytest.mark.parametrize(
        ("step", "answer", "permanent"),
        [
            ("RCPT", "550 No such user", True),
            ("RCPT", "451 Try again later", False),
            ("RCPT", "421 Closing", False),
            ("DATA", "554 No", True),
            ("DATA", "451 Later", False),
            (END_OF_LETTER, "554 Refused as spam", True),
            (END_OF_LETTER, "452 Out of storage", False),
            (GREETING, "554 Not you", False),
            (GREETING, "421 Busy", False),
            ("MAIL", "553 Not this sender", False),
            ("MAIL", "451 Later", False),
        ],
    )
    def test_a_refusal_is_final_when_it_is_of_this_very_letter(
        self, step: str, answer: str, *, permanent: bool
    ) -> None:
        with post_office.scripted({step: answer}) as (port, _):
            failure = failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER))

        assert (str(failure), failure.permanent) == (f"smtp {answer[:3]}", permanent)

    @pytest.mark.parametrize("step", [GREETING, "EHLO", "MAIL", "RCPT", "DATA"])
    @pytest.mark.parametrize("how", [HANGS_UP, SAYS_NOTHING], ids=["hangs up", "silent"])
    def test_one_that_breaks_off_is_tried_again(
        self, monkeypatch: pytest.MonkeyPatch, step: str, how: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        with post_office.scripted({step: how}) as (port, _):
            assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER)).permanent

    @pytest.mark.parametrize("how", [HANGS_UP, SAYS_NOTHING], ids=["hangs up", "silent"])
    def test_a_letter_that_may_have_been_taken_is_not_sent_twice(
        self, monkeypatch: pytest.MonkeyPatch, how: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "LETTER_SECONDS", 0.2)
        with post_office.scripted({END_OF_LETTER: how}) as (port, _):
            failure = failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER))

        assert (str(failure), failure.permanent) == ("no answer to the letter", True)

    def test_a_letter_that_is_looked_at_for_longer_than_another_reply_takes_is_taken(
        self, monkeypatch: pytest.MonkeyPatch, office: PostOffice, gateway: SmtpEmail
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        office.seconds = 0.5
        gateway.send(LETTER, kind="appointment-confirmed")

        assert len(office.taken) == 1

    def test_one_that_dawdles_all_the_way_is_left_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(infra_email, "DIALOGUE_SECONDS", 0)
        with post_office.scripted({}) as (port, _):
            assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER)).permanent

    @pytest.mark.parametrize("farewell", ["421 Too late", "500 What?", HANGS_UP, SAYS_NOTHING])
    def test_a_letter_that_is_taken_stays_so_whatever_the_farewell(
        self, monkeypatch: pytest.MonkeyPatch, farewell: str | None
    ) -> None:
        monkeypatch.setattr(infra_email, "REPLY_SECONDS", 0.2)
        with post_office.scripted({"QUIT": farewell}) as (port, heard):
            SmtpEmail(f"smtp://127.0.0.1:{port}", SENDER).send(LETTER, kind="appointment-confirmed")

        assert heard[-1] == "QUIT"

    def test_one_that_is_away_is_tried_again(self) -> None:
        assert not failure_of(SmtpEmail(f"smtp://127.0.0.1:{free_port()}", SENDER)).permanent


class TestSigningIn:
    def test_the_password_of_the_url_is_used(self, office: PostOffice) -> None:
        SmtpEmail(f"smtp://clinic:p%40ss%20word@127.0.0.1:{office.port}", SENDER).send(LETTER, kind="code")

        assert len(office.taken) == 1

    def test_a_wrong_password_may_be_mended_in_time(self, office: PostOffice) -> None:
        failure = failure_of(SmtpEmail(f"smtp://clinic:wrong@127.0.0.1:{office.port}", SENDER))

        assert (str(failure), failure.permanent, office.taken) == ("smtp 535", False, [])


@pytest.fixture
def by_smtp(gateway: SmtpEmail) -> Iterator[None]:
    """The application's e-mail goes to the post office."""
    before = outlets.outlet()
    outlets.use(replace(before, email=gateway))
    yield
    outlets.use(before)


def visit(**profile: str) -> Appointment:
    patient = factories.make_user(name="Asha Verma", email="asha@example.com", profile=profile)
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    return factories.make_visit(patient, doctor)


def become(visit: Appointment, status: Status = Status.CONFIRMED) -> Notification:
    """Move a visit on; returns the letter about it, which waits."""
    admin = factories.acting(factories.make_user(Role.ADMIN))
    transitions.change_status(admin, visit.id, status)
    kind = f"appointment-{status}"
    found: Notification = Notification.objects.get(subject=visit.id, channel=Channel.EMAIL, kind=kind)
    return found


@pytest.mark.usefixtures("database", "by_smtp")
class TestAPatient:
    def test_is_told_by_email(self, office: PostOffice) -> None:
        message = become(visit())

        assert notifications.send(message.id) is State.SENT
        day: date = factories.tomorrow()
        assert office.part("text/plain").get_content() == (
            f"Dear Asha Verma,\r\n\r\nYour visit with Dr Meera Iyer on {day:%d %b %Y} at 09:00 is confirmed."
            "\r\n\r\nArthomed\r\n"
        )
        assert f"Your visit with Dr Meera Iyer on {day:%d %b %Y}" in office.part("text/html").get_content()
        assert office.letter()["Message-ID"] == f"<{message.id}@arthomed.example>"

    def test_reads_their_own_language(self, office: PostOffice) -> None:
        notifications.send(become(visit(language="hi")).id)

        assert office.letter()["Subject"] == "आपकी मुलाकात पक्की हो गई है"
        assert office.part("text/plain").get_content().startswith("प्रिय Asha Verma,")
        assert '<html lang="hi">' in office.part("text/html").get_content()

    def test_is_sent_the_visit_for_the_calendar_when_it_is_confirmed(self, office: PostOffice) -> None:
        made = visit()
        notifications.send(become(made).id)

        method, event = invitation_in(office)
        assert (method, event["STATUS"], event["SEQUENCE"]) == ("REQUEST", "CONFIRMED", 1)
        assert (event["DTSTART"].dt, event["DTEND"].dt) == (made.starts_at, made.ends_at)
        assert (event["ATTENDEE"], event["ORGANIZER"]) == ("mailto:asha@example.com", "mailto:clinic@arthomed.example")

    def test_has_it_taken_out_of_the_calendar_when_it_is_cancelled(self, office: PostOffice) -> None:
        made = visit()
        notifications.send(become(made).id)
        _, confirmed = invitation_in(office)
        office.taken.clear()
        notifications.send(become(made, Status.CANCELLED).id)

        method, cancelled = invitation_in(office)
        assert (method, cancelled["STATUS"], cancelled["UID"]) == ("CANCEL", "CANCELLED", confirmed["UID"])
        assert cancelled["SEQUENCE"] > confirmed["SEQUENCE"]

    def test_is_sent_nothing_for_the_calendar_about_what_was_never_confirmed(self, office: PostOffice) -> None:
        notifications.send(become(visit(), Status.CANCELLED).id)

        assert "text/calendar" not in [part.get_content_type() for part in office.letter().walk()]

    @pytest.mark.parametrize(("answer", "state"), [("550 No such user", State.FAILED), ("451 Later", State.WAITING)])
    def test_is_given_up_or_told_later_when_the_letter_is_refused(
        self, office: PostOffice, answer: str, state: State
    ) -> None:
        message = become(visit())
        office.rcpt = answer
        before = clock.now()

        assert notifications.send(message.id) is state

        stored = Notification.objects.get(id=message.id)
        assert (stored.state, stored.failure, stored.sent_at) == (state, f"smtp {answer[:3]}", None)
        assert state is State.FAILED or stored.due_at - before >= timedelta(seconds=8)

    def test_is_told_once_the_server_takes_it(self, office: PostOffice) -> None:
        message = become(visit())
        office.rcpt = "451 Later"
        notifications.send(message.id)
        office.rcpt = "250 OK"
        Notification.objects(id=message.id).update(set__due_at=clock.now())

        assert notifications.send(message.id) is State.SENT
        assert Notification.objects.get(id=message.id).failure is None
        assert len(office.taken) == 1


def invitation_in(office: PostOffice) -> tuple[str, Any]:
    """The method of a letter's part, which is that of its calendar, and its one event."""
    part = office.part("text/calendar")
    calendar: Any = Calendar.from_ical(part.get_content())
    [event] = calendar.walk("VEVENT")
    assert part["Content-Type"].params["method"] == calendar["METHOD"]
    return str(calendar["METHOD"]), event
