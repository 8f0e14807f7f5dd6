"""An e-mail in the place of an SMS that did not arrive: one at most, and never with a code in it."""

from collections.abc import Iterator
from dataclasses import replace
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
from arthomed.notifications import fallback, outlets
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, Notification, State
from tests import factories
from tests.api import carrier as twilio
from tests.api.carrier import Carrier, post
from tests.factories import told

REFUSED = (400, {"code": 21614, "message": "not a mobile number", "status": 400})
ADDRESS = "asha@example.com"
WAIT = timedelta(minutes=10)


@pytest.fixture
def carrier(app: Flask, client: FlaskClient) -> Iterator[Carrier]:
    del app, client  # the second empties the database
    with twilio.running() as found, twilio.in_use(found):
        yield found


@pytest.fixture
def visit(carrier: Carrier) -> Appointment:
    """Requested, and to be told by SMS."""
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30"))
    return factories.make_visit(factories.make_user(email=ADDRESS), doctor)


def by(channel: Channel) -> list[Notification]:
    return list(Notification.objects(channel=channel))


def send(channel: Channel = Channel.SMS) -> State | None:
    """Send the one message of a channel."""
    [message] = by(channel)
    return notifications.send(message.id)


def letters() -> int:
    return len(Mailbox(settings().mailbox_file).newest_first(ADDRESS))


def test_a_number_that_takes_no_sms_is_told_by_email(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = REFUSED
    assert send() is State.FAILED

    assert fallback.take_over() == 1
    [letter] = by(Channel.EMAIL)
    assert (letter.user, letter.subject, letter.kind) == (visit.patient_id, visit.id, "appointment-pending")
    assert send(Channel.EMAIL) is State.SENT
    assert letters() == 1


def test_an_sms_that_is_only_late_is_not_told_by_email(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = (500, {})
    assert send() is State.WAITING

    assert (fallback.take_over(), by(Channel.EMAIL)) == (0, [])


def test_an_sms_that_the_carrier_does_not_take_for_long_is_told_by_email(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = (401, {"code": 20003, "message": "Authenticate", "status": 401})
    send()
    with time_machine.travel(clock.now() + timedelta(minutes=5), tick=True):
        send()
    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert fallback.take_over() == 1

    assert len(by(Channel.EMAIL)) == 1


def test_an_sms_whose_next_attempt_would_be_too_late_is_told_by_email(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = (503, {})
    Notification.objects.update(set__useful_until=clock.now() + timedelta(seconds=5))
    assert send() is State.EXPIRED

    assert fallback.take_over() == 1
    assert send(Channel.EMAIL) is State.SENT


def test_an_sms_that_is_taken_at_last_where_no_receipts_come_is_not_told_by_email(
    carrier: Carrier, visit: Appointment
) -> None:
    outlets.use(replace(outlets.outlet(), receipts=None))
    carrier.answer = (503, {})
    send()
    carrier.answer = twilio.TAKEN
    with time_machine.travel(clock.now() + timedelta(minutes=1), tick=True):
        assert send() is State.SENT
    with time_machine.travel(clock.now() + 2 * WAIT, tick=True):
        assert fallback.take_over() == 0


@pytest.mark.parametrize("status", ["undelivered", "failed"])
def test_an_sms_that_the_carrier_could_not_deliver_is_told_by_email(
    client: FlaskClient, carrier: Carrier, visit: Appointment, status: str
) -> None:
    send()
    told(post(client, carrier.asked[0].callback, status))

    assert fallback.take_over() == 1
    assert len(by(Channel.EMAIL)) == 1


@pytest.mark.parametrize("status", [None, "queued", "sent"])
def test_an_sms_without_a_receipt_in_time_is_told_by_email(
    client: FlaskClient, carrier: Carrier, visit: Appointment, status: str | None
) -> None:
    send()
    if status:
        told(post(client, carrier.asked[0].callback, status))
    with time_machine.travel(clock.now() + WAIT - timedelta(seconds=30), tick=True):
        assert fallback.take_over() == 0
    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert fallback.take_over() == 1

    assert len(by(Channel.EMAIL)) == 1


def test_an_sms_that_was_delivered_is_not_told_again(client: FlaskClient, carrier: Carrier, visit: Appointment) -> None:
    send()
    told(post(client, carrier.asked[0].callback, "delivered"))

    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert (fallback.take_over(), by(Channel.EMAIL)) == (0, [])


def test_an_email_is_dropped_when_the_receipt_comes_before_it_leaves(
    client: FlaskClient, carrier: Carrier, visit: Appointment
) -> None:
    send()
    with time_machine.travel(clock.now() + WAIT, tick=True):
        fallback.take_over()
    told(post(client, carrier.asked[0].callback, "delivered"))

    with time_machine.travel(clock.now() + WAIT, tick=True):
        assert send(Channel.EMAIL) is State.DROPPED
    assert letters() == 0


def test_who_looks_for_it_at_once_and_again_writes_one_email(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = REFUSED
    send()
    factories.at_once(4, lambda _: fallback.take_over())
    Notification.objects(channel=Channel.SMS).update(set__fallback_at=clock.now())  # as when it was cut off
    fallback.take_over()

    assert len(by(Channel.EMAIL)) == 1
    assert fallback.take_over() == 0


def test_after_its_useful_time_nothing_takes_over(carrier: Carrier, visit: Appointment) -> None:
    carrier.answer = REFUSED
    send()

    with time_machine.travel(visit.ends_at, tick=True):
        assert (fallback.take_over(), by(Channel.EMAIL)) == (1, [])


def test_where_no_receipts_come_their_absence_says_nothing(carrier: Carrier, visit: Appointment) -> None:
    before = outlets.outlet()
    outlets.use(replace(before, receipts=None))
    try:
        send()
        with time_machine.travel(clock.now() + WAIT, tick=True):
            assert (fallback.take_over(), by(Channel.EMAIL)) == (0, [])
    finally:
        outlets.use(before)


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED])
def test_what_was_told_by_email_anyhow_is_not_told_twice(carrier: Carrier, visit: Appointment, status: Status) -> None:
    transitions.change_status(factories.acting(factories.make_user(Role.ADMIN)), visit.id, status)
    carrier.answer = REFUSED
    for message in by(Channel.SMS):
        notifications.send(message.id)

    assert fallback.take_over() == 0
    assert len(by(Channel.EMAIL)) == 1


def test_who_has_no_address_is_told_by_sms_only(carrier: Carrier) -> None:
    factories.make_visit(doctor=factories.make_doctor(factories.every_day("09:00", "09:30")))
    carrier.answer = REFUSED
    send()

    assert (fallback.take_over(), by(Channel.EMAIL)) == (0, [])


def test_a_code_never_goes_by_email(client: FlaskClient, carrier: Carrier) -> None:
    user = factories.make_user(email=ADDRESS)
    factories.ask_for_code(client, user.mobile_number)
    factories.message_of_code(user.mobile_number)
    carrier.answer = REFUSED
    assert send() is State.FAILED
    assert fallback.take_over() == 0

    wrongly = {"set__user": user.id, "set__fallback": Channel.EMAIL, "set__fallback_at": clock.now()}
    Notification.objects.update(**wrongly)
    assert fallback.take_over() == 1
    assert by(Channel.EMAIL) == []
