"""Messages that can wait are not sent at night, and expired messages never."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from redis import Redis

from arthomed.config import settings
from arthomed.core import clock
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from arthomed.notifications.rules import QuietHours
from tests import factories
from tests.api.notifications import fake_twilio
from tests.api.notifications.fake_twilio import FakeTwilio
from tests.api.notifications.outbox import (
    delivery_configured,
    make_appointment,
    make_message,
    outbox,
    sent_texts,
    stored,
)
from tests.factories import at_clinic

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, 30) + timedelta(days=ahead) for ahead in range(3))


@pytest.fixture(autouse=True)
def night(client: FlaskClient) -> Iterator[Any]:
    """Monday, 23:00; quiet hours are from 21:00 to 08:00."""
    del client  # it empties the database
    quiet_hours = QuietHours("21:00", "08:00", settings().policy.timezone)
    with (
        delivery_configured(quiet_hours=quiet_hours),
        time_machine.travel(at_clinic(MONDAY, "23:00"), tick=True) as now,
    ):
        yield now


def test_message_at_night_is_postponed_until_morning(night: Any) -> None:
    message = make_message(day=WEDNESDAY)

    assert notifications.send(message.id) is State.WAITING
    postponed = stored(message)
    assert at_clinic(TUESDAY, "08:00") <= postponed.due_at <= at_clinic(TUESDAY, "08:15")
    assert (postponed.attempts, sent_texts()) == (0, [])
    assert notifications.send(message.id) is None
    night.move_to(at_clinic(TUESDAY, "08:16"))
    assert notifications.send(message.id) is State.SENT


def test_sweeper_ignores_a_postponed_message_until_morning(night: Any, environment: dict[str, str]) -> None:
    notifications.send(make_message(day=WEDNESDAY).id)
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushdb()
        night.shift(timedelta(hours=1))
        assert notifications.sweep() == 0
        night.move_to(at_clinic(TUESDAY, "08:16"))
        assert notifications.sweep() == 1


def test_message_about_an_appointment_next_morning_is_sent_at_night() -> None:
    assert notifications.send(make_message(day=TUESDAY).id) is State.SENT


def test_a_booking_at_night_is_acknowledged_at_once() -> None:
    make_appointment("asha@example.com", day=WEDNESDAY)

    assert [notifications.send(message.id) for message in outbox()] == [State.SENT, State.SENT]


def test_code_is_sent_at_night(client: FlaskClient) -> None:
    factories.request_code(client, mobile := factories.new_mobile())

    assert notifications.send(factories.otp_message(mobile).id) is State.SENT


def test_retry_in_quiet_hours_is_postponed_until_morning(night: Any) -> None:
    night.move_to(at_clinic(MONDAY, "20:59"))
    message = make_message(day=WEDNESDAY)
    retry_at, now = at_clinic(MONDAY, "21:05"), clock.now()
    message.schedule_retry(retry_at, now=now, failure="twilio 500 20500", fallback_at=now)
    night.move_to(at_clinic(MONDAY, "21:05"))

    assert notifications.send(message.id) is State.WAITING
    assert at_clinic(TUESDAY, "08:00") <= stored(message).due_at <= at_clinic(TUESDAY, "08:15")


def test_code_expires_after_two_minutes(client: FlaskClient, night: Any) -> None:
    factories.request_code(client, mobile := factories.new_mobile())
    message = factories.otp_message(mobile)
    night.shift(timedelta(minutes=2))

    assert notifications.send(message.id) is State.EXPIRED
    assert (stored(message).state, sent_texts()) == (State.EXPIRED, [])


def test_sweeper_expires_and_counts_messages_that_no_worker_sent(
    client: FlaskClient, night: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    mobiles = [factories.new_mobile() for _ in range(3)]
    for mobile in mobiles:
        factories.request_code(client, mobile)
        factories.otp_message(mobile)
    waiting = make_message(day=WEDNESDAY)
    night.shift(timedelta(minutes=3))
    notifications.sweep()

    assert Notification.objects(state=State.EXPIRED).count() == 3
    assert stored(waiting).state is State.WAITING
    assert "messages_expired" in (log := capsys.readouterr().err)
    assert "count=3" in log


def test_message_that_would_expire_before_its_retry_expires_immediately(client: FlaskClient) -> None:
    factories.request_code(client, mobile := factories.new_mobile())
    message = factories.otp_message(mobile)
    Notification.objects.update(set__attempts=5)  # the next delay is 320 seconds
    with FakeTwilio().running() as twilio, fake_twilio.configured(twilio):
        twilio.response = (500, {})
        assert notifications.send(message.id) is State.EXPIRED

    assert stored(message).failure == "twilio 500 500"


def test_sent_state_overwrites_an_expiry_during_sending(night: Any) -> None:
    message = make_message(day=TUESDAY)
    claimed = Notification.claim(message.id, now=clock.now(), lease=timedelta(minutes=1))
    assert claimed is not None
    Notification.expire(message.channel, datetime(2026, 12, 5, tzinfo=UTC))
    claimed.finish(State.SENT, now=clock.now())

    assert stored(message).state is State.SENT
