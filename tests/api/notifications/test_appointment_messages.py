"""Messages about appointments: when they are created, what they say, and when they are dropped."""

import pytest
import time_machine

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, transitions
from arthomed.config import settings
from arthomed.core.errors import ClinicError
from arthomed.infra.mailbox import Mailbox
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, State
from arthomed.users.models import User
from tests import factories
from tests.api.notifications.outbox import (
    OPENING_HOURS,
    TUESDAY,
    change_status,
    make_appointment,
    only_message,
    outbox,
    sent_texts,
)
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("monday_evening", "database")


@pytest.mark.parametrize(
    ("email", "channels"), [(None, [Channel.SMS]), ("asha@example.com", [Channel.SMS, Channel.EMAIL])]
)
def test_a_booking_is_acknowledged_by_sms_and_email(email: str | None, channels: list[Channel]) -> None:
    appointment = make_appointment(email)

    for message in (messages := outbox()):
        assert (message.user, message.subject) == (appointment.patient_id, appointment.id)
        assert (message.kind, message.version, message.state) == ("appointment-pending", 1, State.WAITING)
    assert [(one.channel, one.fallback) for one in messages] == [(channel, None) for channel in channels]


def test_the_email_of_a_booking_says_that_the_request_has_arrived_and_has_no_invitation() -> None:
    make_appointment("asha@example.com")

    assert notifications.send(only_message(channel=Channel.EMAIL).id) is State.SENT
    [email] = Mailbox(settings().mailbox_file).newest_first("asha@example.com")
    assert email.kind == "appointment-pending"
    assert "Your request for 01 Dec 2026 at 09:00 with Dr Meera Iyer has reached us." in email.text
    assert "VCALENDAR" not in email.text


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED])
@pytest.mark.parametrize(
    ("email", "channels"), [(None, [Channel.SMS]), ("asha@example.com", [Channel.SMS, Channel.EMAIL])]
)
def test_confirmation_and_cancellation_go_by_sms_and_email(
    status: Status, email: str | None, channels: list[Channel]
) -> None:
    change_status(make_appointment(email), status)

    messages = outbox(kind=f"appointment-{status}")
    assert [(one.channel, one.fallback) for one in messages] == [(channel, None) for channel in channels]


def test_failed_booking_leaves_no_message() -> None:
    appointment = make_appointment()
    with pytest.raises(ClinicError):
        factories.make_appointment(doctor=User.objects.get(id=appointment.doctor_id), day=TUESDAY)

    assert len(outbox()) == 1


def test_failed_status_change_leaves_no_message() -> None:
    appointment = change_status(make_appointment(), Status.CONFIRMED)
    with pytest.raises(ClinicError):
        change_status(appointment, Status.CONFIRMED)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


def test_check_in_and_no_show_create_no_message() -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, "08:00"), tick=True):
        appointment = change_status(make_appointment(day=TUESDAY), Status.CONFIRMED)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:05"), tick=True):
        change_status(appointment, Status.NO_SHOW, Status.CONFIRMED, Status.IN_PROGRESS)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED, Status.REJECTED])
def test_message_is_dropped_after_a_later_status_change(status: Status) -> None:
    appointment = make_appointment()
    first = only_message().id
    change_status(appointment, status)

    assert notifications.send(first) is State.DROPPED
    assert sent_texts() == []


@pytest.mark.parametrize(
    ("status", "time", "state"),
    [
        (Status.CONFIRMED, "09:10", State.SENT),
        (Status.CONFIRMED, "09:30", State.EXPIRED),
        (Status.CANCELLED, "19:00", State.SENT),
    ],
)
def test_confirmation_expires_when_the_appointment_ends_and_a_cancellation_later(
    status: Status, time: str, state: State
) -> None:
    change_status(make_appointment(), status)
    message = only_message(kind=f"appointment-{status}").id
    with time_machine.travel(factories.at_clinic(TUESDAY, time), tick=True):
        assert notifications.send(message) is state
    assert len(sent_texts()) == (1 if state is State.SENT else 0)


def test_email_is_dropped_after_the_patient_removed_the_address() -> None:
    appointment = change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    User.objects(id=appointment.patient_id).update(unset__email=True)

    email = only_message(channel=Channel.EMAIL, kind="appointment-confirmed")
    assert notifications.send(email.id) is State.DROPPED


def test_message_about_a_deleted_appointment_is_dropped(database: Records) -> None:
    make_appointment()
    database.appointments.delete_many({})

    assert notifications.send(only_message().id) is State.DROPPED


REQUESTED = "Your request for 01 Dec 2026 at 09:00 with Dr Meera Iyer has reached us. We will confirm it soon."
CONFIRMED = "Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is confirmed."
REJECTED = "We can't offer you 01 Dec 2026 at 09:00 with Dr Meera Iyer. Reason: {doctor} is on leave"
CANCELLED = "Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is cancelled."
COMPLETED = "Thank you for your visit to Dr Meera Iyer on 01 Dec 2026 at 09:00. Get well soon."


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([], REQUESTED),
        ([Status.CONFIRMED], CONFIRMED),
        ([Status.REJECTED], REJECTED),
        ([Status.CONFIRMED, Status.CANCELLED], CANCELLED),
        ([Status.CONFIRMED, Status.IN_PROGRESS, Status.COMPLETED], COMPLETED),
    ],
    ids=str,
)
def test_text_contains_doctor_time_and_status(statuses: list[Status], text: str) -> None:
    appointment = make_appointment("asha@example.com")
    with time_machine.travel(factories.at_clinic(TUESDAY, "08:50"), tick=True):
        change_status(appointment, *statuses, reason="{doctor} is on leave")
        for message in outbox(kind=f"appointment-{statuses[-1] if statuses else 'pending'}"):
            notifications.send(message.id)

    sms, *emails = sent_texts()
    by_email = statuses[-1:] in ([], [Status.CONFIRMED], [Status.CANCELLED])
    assert sms == f"Arthomed: {text}"
    assert [email.split("\n", 2)[2] for email in emails] == [f"Dear Asha Verma,\n\n{text}\n\nArthomed"] * by_email


def test_cancellation_without_refund_does_not_mention_one() -> None:
    appointment = make_appointment()
    change_status(appointment, Status.CONFIRMED)
    Appointment.objects(id=appointment.id).update(set__payment__amount=0)
    transitions.cancel(factories.actor_of(User.objects.get(id=appointment.patient_id)), appointment.id, reason=None)
    notifications.send(only_message(kind="appointment-cancelled").id)

    assert sent_texts() == ["Arthomed: Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is cancelled."]


def test_cancellation_of_a_paid_appointment_mentions_the_refund() -> None:
    appointment = make_appointment()
    Appointment.objects(id=appointment.id).update(set__payment__status="paid")
    change_status(appointment, Status.CANCELLED)
    notifications.send(only_message(kind="appointment-cancelled").id)

    assert sent_texts()[0].endswith("is cancelled. Rs 500 will be refunded.")


def test_automatic_rejection_contains_its_reason() -> None:
    make_appointment()
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        transitions.reject_unconfirmed()
        notifications.send(only_message(kind="appointment-rejected").id)

    assert sent_texts()[0].endswith("Reason: Nobody could confirm the visit before it was to start")


def test_repeated_booking_with_the_same_idempotency_key_creates_no_second_message() -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(OPENING_HOURS)
    details = factories.make_booking_details(doctor, day=TUESDAY)

    for _ in range(2):
        booking.book(factories.actor_of(patient), details, key="a-key-of-mine")

    assert len(outbox()) == 1
