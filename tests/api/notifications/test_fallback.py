"""An e-mail replaces an SMS that was not delivered: at most one, and never with a code."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.infra.mailbox import Mailbox
from arthomed.notifications import receipts
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, Notification, State
from tests import factories
from tests.api.notifications import fake_twilio
from tests.api.notifications.fake_twilio import FakeTwilio, post_receipt
from tests.api.notifications.outbox import delivery_configured, make_appointment, make_rejected
from tests.factories import data_of

REFUSED = (400, {"code": 21614, "message": "not a mobile number", "status": 400})
ADDRESS = "asha@example.com"
WAIT = timedelta(minutes=10)


@pytest.fixture
def twilio(app: Flask, client: FlaskClient) -> Iterator[FakeTwilio]:
    del app, client  # the second empties the database
    with FakeTwilio().running() as server, fake_twilio.configured(server):
        yield server


@pytest.fixture
def appointment(twilio: FakeTwilio) -> Appointment:
    """A rejected appointment, with a waiting SMS about it."""
    return make_rejected(ADDRESS)


def messages_by(channel: Channel) -> list[Notification]:
    return list(Notification.objects(channel=channel))


def send(channel: Channel = Channel.SMS) -> State | None:
    """Send the only message of a channel."""
    [message] = messages_by(channel)
    return notifications.send(message.id)


def count_sent_emails() -> int:
    return len(Mailbox(settings().mailbox_file).newest_first(ADDRESS))


def test_refused_sms_is_replaced_by_an_email(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = REFUSED
    assert send() is State.FAILED

    assert receipts.send_fallbacks() == 1
    [email] = messages_by(Channel.EMAIL)
    assert (email.user, email.subject, email.kind) == (appointment.patient_id, appointment.id, "appointment-rejected")
    assert send(Channel.EMAIL) is State.SENT
    assert count_sent_emails() == 1


def test_sms_that_is_being_retried_has_no_fallback(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = (500, {})
    assert send() is State.WAITING

    assert (receipts.send_fallbacks(), messages_by(Channel.EMAIL)) == (0, [])


def test_sms_that_is_retried_for_too_long_is_replaced_by_an_email(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = (401, {"code": 20003, "message": "Authenticate", "status": 401})
    send()
    with time_machine.travel(clock.now() + timedelta(minutes=5), tick=True):
        send()
    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert receipts.send_fallbacks() == 1

    assert len(messages_by(Channel.EMAIL)) == 1


def test_sms_expiring_before_its_retry_is_replaced_by_an_email(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = (503, {})
    Notification.objects.update(set__useful_until=clock.now() + timedelta(seconds=5))
    assert send() is State.EXPIRED

    assert receipts.send_fallbacks() == 1
    assert send(Channel.EMAIL) is State.SENT


def test_sms_accepted_on_retry_without_receipts_has_no_fallback(twilio: FakeTwilio, appointment: Appointment) -> None:
    with delivery_configured(receipts=None):
        twilio.response = (503, {})
        send()
        twilio.response = fake_twilio.ACCEPTED
        with time_machine.travel(clock.now() + timedelta(minutes=1), tick=True):
            assert send() is State.SENT
        with time_machine.travel(clock.now() + 2 * WAIT, tick=True):
            assert receipts.send_fallbacks() == 0


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_undelivered_sms_is_replaced_by_an_email(
    client: FlaskClient, twilio: FakeTwilio, appointment: Appointment, status: str
) -> None:
    send()
    data_of(post_receipt(client, twilio.requests[0].callback, status))

    assert receipts.send_fallbacks() == 1
    assert len(messages_by(Channel.EMAIL)) == 1


@pytest.mark.parametrize("status", [None, "queued", "sent"])
def test_sms_without_a_delivery_receipt_in_time_is_replaced_by_an_email(
    client: FlaskClient, twilio: FakeTwilio, appointment: Appointment, status: str | None
) -> None:
    send()
    if status:
        data_of(post_receipt(client, twilio.requests[0].callback, status))
    with time_machine.travel(clock.now() + WAIT - timedelta(seconds=30), tick=True):
        assert receipts.send_fallbacks() == 0
    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert receipts.send_fallbacks() == 1

    assert len(messages_by(Channel.EMAIL)) == 1


def test_delivered_sms_has_no_fallback(client: FlaskClient, twilio: FakeTwilio, appointment: Appointment) -> None:
    send()
    data_of(post_receipt(client, twilio.requests[0].callback, "delivered"))

    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert (receipts.send_fallbacks(), messages_by(Channel.EMAIL)) == (0, [])


def test_fallback_is_dropped_when_the_sms_is_delivered_before_it_is_sent(
    client: FlaskClient, twilio: FakeTwilio, appointment: Appointment
) -> None:
    send()
    with time_machine.travel(clock.now() + WAIT, tick=True):
        receipts.send_fallbacks()
    data_of(post_receipt(client, twilio.requests[0].callback, "delivered"))

    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert send(Channel.EMAIL) is State.DROPPED
    assert count_sent_emails() == 0


def test_concurrent_and_repeated_runs_create_one_email(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = REFUSED
    send()
    factories.in_parallel(4, lambda _: receipts.send_fallbacks())
    Notification.objects(channel=Channel.SMS).update(set__fallback_at=clock.now())  # as after an interrupted run
    receipts.send_fallbacks()

    assert len(messages_by(Channel.EMAIL)) == 1
    assert receipts.send_fallbacks() == 0


def test_expired_sms_has_no_fallback(twilio: FakeTwilio, appointment: Appointment) -> None:
    twilio.response = REFUSED
    send()

    with time_machine.travel(appointment.ends_at + timedelta(days=1), tick=True):
        assert (receipts.send_fallbacks(), messages_by(Channel.EMAIL)) == (1, [])


def test_missing_receipt_causes_no_fallback_where_no_receipts_are_configured(
    twilio: FakeTwilio, appointment: Appointment
) -> None:
    with delivery_configured(receipts=None):
        send()
        with time_machine.travel(clock.now() + WAIT, tick=True):
            assert (receipts.send_fallbacks(), messages_by(Channel.EMAIL)) == (0, [])


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED])
def test_message_that_went_by_email_anyway_has_no_fallback(twilio: FakeTwilio, status: Status) -> None:
    appointment = make_appointment(ADDRESS)
    transitions.change_status(factories.actor_of(factories.make_user(Role.ADMIN)), appointment.id, status)
    twilio.response = REFUSED
    for message in messages_by(Channel.SMS):
        notifications.send(message.id)

    assert receipts.send_fallbacks() == 0
    assert len(messages_by(Channel.EMAIL)) == 2


def test_patient_without_an_email_address_has_no_fallback(twilio: FakeTwilio) -> None:
    make_appointment()
    twilio.response = REFUSED
    send()

    assert (receipts.send_fallbacks(), messages_by(Channel.EMAIL)) == (0, [])


def test_code_is_never_sent_by_email(client: FlaskClient, twilio: FakeTwilio) -> None:
    user = factories.make_user(email=ADDRESS)
    factories.request_code(client, user.mobile_number)
    factories.otp_message(user.mobile_number)
    twilio.response = REFUSED
    assert send() is State.FAILED
    assert receipts.send_fallbacks() == 0

    wrong_fallback = {"set__user": user.id, "set__fallback": Channel.EMAIL, "set__fallback_at": clock.now()}
    Notification.objects.update(**wrong_fallback)
    assert receipts.send_fallbacks() == 1
    assert messages_by(Channel.EMAIL) == []
