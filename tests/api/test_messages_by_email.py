"""E-mail over SMTP, to a real server that takes or refuses it."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.infra.email import SmtpEmail
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import DeliveryFailed, Email
from arthomed.notifications.models import Channel, Notification, State
from dev.servers import free_port
from tests import factories

LETTER = Email("asha@example.com", "Your visit is confirmed", "Dear Asha,\n\nsee you soon.")


@dataclass
class PostOffice:
    """Takes everything, but for the answers that it was told to give."""

    rcpt: str = "250 OK"
    data: str = "250 OK"
    taken: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data.startswith("250"):
            self.taken.append(envelope)
        return self.data


def letter_in(office: PostOffice) -> EmailMessage:
    """The one letter that was taken."""
    [envelope] = office.taken
    assert isinstance(envelope.content, bytes)
    found = message_from_bytes(envelope.content.replace(b"\r\n", b"\n"), policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=given == LoginPassword(b"clinic", b"p@ss word"), handled=False)


@pytest.fixture
def post_office() -> Iterator[tuple[PostOffice, int]]:
    office, port = PostOffice(), free_port()
    controller = Controller(office, "127.0.0.1", port, authenticator=_authenticate, auth_require_tls=False)
    controller.start()
    yield office, port
    controller.stop()


@pytest.fixture
def office(post_office: tuple[PostOffice, int]) -> PostOffice:
    return post_office[0]


@pytest.fixture
def gateway(post_office: tuple[PostOffice, int]) -> SmtpEmail:
    return SmtpEmail(f"smtp://127.0.0.1:{post_office[1]}", "clinic@arthomed.example")


def test_a_letter_arrives_as_it_was_written(office: PostOffice, gateway: SmtpEmail) -> None:
    gateway.send(LETTER, kind="appointment-confirmed")

    assert (office.taken[0].mail_from, office.taken[0].rcpt_tos) == ("clinic@arthomed.example", ["asha@example.com"])
    letter = letter_in(office)
    assert (letter["From"], letter["To"]) == ("clinic@arthomed.example", "asha@example.com")
    assert (letter["Subject"], letter.get_content()) == (LETTER.subject, LETTER.text + "\n")
    assert letter["Date"]
    assert letter["Message-ID"].endswith("@arthomed>")


def test_letters_are_written_in_any_script(office: PostOffice, gateway: SmtpEmail) -> None:
    gateway.send(Email("asha@example.com", "आपकी विज़िट", "प्रिय आशा"), kind="appointment-confirmed")

    letter = letter_in(office)
    assert (letter["Subject"], letter.get_content()) == ("आपकी विज़िट", "प्रिय आशा\n")


@pytest.mark.parametrize(
    ("answers", "permanent"),
    [
        ({"rcpt": "550 No such user"}, True),
        ({"rcpt": "451 Try again later"}, False),
        ({"data": "554 Refused as spam"}, True),
        ({"data": "452 Out of storage"}, False),
    ],
    ids=str,
)
def test_a_refusal_is_final_when_the_server_says_so(
    office: PostOffice, gateway: SmtpEmail, answers: dict[str, str], *, permanent: bool
) -> None:
    for name, answer in answers.items():
        setattr(office, name, answer)

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send(LETTER, kind="appointment-confirmed")

    assert failed.value.permanent is permanent
    assert "asha" not in str(failed.value)


def test_a_server_that_is_away_is_tried_again() -> None:
    gateway = SmtpEmail(f"smtp://127.0.0.1:{free_port()}", "clinic@arthomed.example")

    with pytest.raises(DeliveryFailed) as failed:
        gateway.send(LETTER, kind="appointment-confirmed")

    assert not failed.value.permanent


@pytest.mark.parametrize("subject", ["Hello\nBcc: all@example.com", "Hello\r\n\r\nbody"])
def test_a_header_cannot_be_smuggled_in(office: PostOffice, gateway: SmtpEmail, subject: str) -> None:
    with pytest.raises(DeliveryFailed) as failed:
        gateway.send(Email("asha@example.com", subject, "Dear Asha"), kind="appointment-confirmed")

    assert failed.value.permanent
    assert office.taken == []


def test_the_password_of_the_url_signs_in(post_office: tuple[PostOffice, int]) -> None:
    office, port = post_office
    SmtpEmail(f"smtp://clinic:p%40ss%20word@127.0.0.1:{port}", "clinic@arthomed.example").send(LETTER, kind="code")

    assert len(office.taken) == 1


def test_a_wrong_password_may_be_mended_in_time(post_office: tuple[PostOffice, int]) -> None:
    office, port = post_office
    with pytest.raises(DeliveryFailed) as failed:
        SmtpEmail(f"smtp://clinic:wrong@127.0.0.1:{port}", "clinic@arthomed.example").send(LETTER, kind="code")

    assert not failed.value.permanent
    assert office.taken == []


@pytest.fixture
def by_smtp(gateway: SmtpEmail) -> Iterator[None]:
    """The application's e-mail goes to the post office."""
    before = notifications.outlet()
    notifications.use(replace(before, email=gateway))
    yield
    notifications.use(before)


def visit() -> tuple[Appointment, Notification]:
    patient = factories.make_user(name="Asha Verma", email="asha@example.com")
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"), name="Dr Meera Iyer")
    made = factories.make_visit(patient, doctor)
    desk = factories.acting(factories.make_user(Role.RECEPTIONIST))
    transitions.change_status(desk, made.id, Status.CONFIRMED)
    return made, Notification.objects.get(subject=made.id, channel=Channel.EMAIL)


@pytest.mark.usefixtures("database", "by_smtp")
def test_a_patient_is_told_by_email(office: PostOffice) -> None:
    _, message = visit()

    assert notifications.send(message.id) is State.SENT
    day: date = factories.tomorrow()
    assert letter_in(office).get_content() == (
        f"Dear Asha Verma,\n\nYour visit with Dr Meera Iyer on {day:%d %b %Y} at 09:00 is confirmed.\n\nArthomed\n"
    )


@pytest.mark.usefixtures("database", "by_smtp")
@pytest.mark.parametrize(("answer", "state"), [("550 No such user", State.FAILED), ("451 Later", State.WAITING)])
def test_a_refused_letter_is_given_up_or_waits(office: PostOffice, answer: str, state: State) -> None:
    _, message = visit()
    office.rcpt = answer
    before = clock.now()

    assert notifications.send(message.id) is state

    stored = Notification.objects.get(id=message.id)
    assert (stored.state, stored.failure, stored.sent_at) == (state, f"smtp [{answer[:3]}]", None)
    assert state is State.FAILED or stored.due_at - before >= timedelta(seconds=10)


@pytest.mark.usefixtures("database", "by_smtp")
def test_a_letter_that_waited_is_sent_once_the_server_takes_it(office: PostOffice) -> None:
    _, message = visit()
    office.rcpt = "451 Later"
    notifications.send(message.id)
    office.rcpt = "250 OK"
    Notification.objects(id=message.id).update(set__due_at=clock.now())

    assert notifications.send(message.id) is State.SENT
    assert Notification.objects.get(id=message.id).failure is None
    assert len(office.taken) == 1
