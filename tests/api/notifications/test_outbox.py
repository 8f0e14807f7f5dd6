"""The outbox: a message is enqueued by its id, sent once, retried, and enqueued again by the sweeper."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from bson import ObjectId
from redis import Redis

from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock, jobs
from arthomed.infra.queue import CeleryJobs
from arthomed.notifications import delivery, rules
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, Notification, State
from dev.servers import free_port
from tests import factories
from tests.api.notifications.outbox import (
    change_status,
    delivery_configured,
    make_appointment,
    only_message,
    outbox,
    sent_texts,
)
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("monday_evening", "database")


def test_sending_job_contains_only_the_message_id(environment: dict[str, str]) -> None:
    appointment = change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    with Redis.from_url(environment["REDIS_URL"], decode_responses=True) as redis:
        for channel in (Channel.SMS, Channel.EMAIL):
            raw = redis.lrange(str(channel), 0, 0)[0]  # the newest
            queued = json.loads(raw)
            confirmed = only_message(channel=channel, kind="appointment-confirmed").id
            assert queued["headers"]["argsrepr"] == repr((str(confirmed),))
            assert "9100" not in raw
            assert str(appointment.patient_id) not in raw


@pytest.fixture
def broker_unavailable() -> Iterator[None]:
    jobs.use(CeleryJobs(f"redis://127.0.0.1:{free_port()}/0"))
    yield
    jobs.use(CeleryJobs(settings().redis_url))


@pytest.mark.usefixtures("broker_unavailable")
def test_booking_without_broker_leaves_the_message_to_the_sweeper() -> None:
    appointment = make_appointment()

    assert (appointment.status, only_message().state) == (Status.PENDING, State.WAITING)


def test_sweeper_enqueues_overdue_messages(environment: dict[str, str]) -> None:
    change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushdb()
        assert notifications.sweep() == 0  # they were enqueued just now
        with time_machine.travel(clock.now() + timedelta(seconds=6), tick=True):
            assert notifications.sweep() == 4
        assert (redis.llen("sms"), redis.llen("email")) == (2, 2)


def test_sweeper_ignores_finished_messages(database: Records) -> None:
    make_appointment()
    for state in (State.SENT, State.DROPPED, State.FAILED):
        database.notifications.update_many({}, {"$set": {"state": state}})
        with time_machine.travel(clock.now() + timedelta(days=1), tick=True):
            assert notifications.sweep() == 0


def test_message_is_sent_once_when_its_job_is_repeated() -> None:
    make_appointment()

    assert [notifications.send(only_message().id) for _ in range(3)] == [State.SENT, None, None]
    assert len(sent_texts()) == 1
    assert only_message().sent_at is not None


def test_message_is_sent_once_by_concurrent_workers() -> None:
    make_appointment()
    message = only_message().id

    states = factories.in_parallel(6, lambda _: notifications.send(message))

    assert sorted(map(str, states)) == ["None"] * 5 + ["sent"]
    assert len(sent_texts()) == 1


def test_sending_an_unknown_message_does_nothing() -> None:
    assert notifications.send(ObjectId()) is None


def test_another_worker_sends_the_message_of_a_dead_worker_after_the_lease() -> None:
    make_appointment()
    lease, message = delivery.config().lease, only_message().id
    Notification.claim(message, now=clock.now(), lease=lease)  # and then the worker dies

    assert notifications.send(message) is None
    with time_machine.travel(clock.now() + lease, tick=True):
        assert notifications.send(message) is State.SENT


def test_message_that_kills_every_worker_fails_after_the_maximum_of_attempts() -> None:
    make_appointment()
    lease, message = delivery.config().lease, only_message().id
    moment = clock.now()
    for _ in range(rules.MAX_ATTEMPTS):
        moment += lease
        assert Notification.claim(message, now=moment, lease=lease) is not None

    with time_machine.travel(moment + lease, tick=True):
        assert notifications.send(message) is State.FAILED
    assert sent_texts() == []


def test_slow_worker_does_not_overwrite_the_sent_state() -> None:
    make_appointment()
    message = only_message()
    notifications.send(message.id)

    message.finish(State.FAILED, now=clock.now(), failure="too slow")
    message.schedule_retry(clock.now(), now=clock.now(), failure="too slow", fallback_at=clock.now())

    assert only_message().state is State.SENT


def test_slow_worker_does_not_change_a_later_attempt() -> None:
    make_appointment()
    lease = timedelta(minutes=1)
    slow = Notification.claim(only_message().id, now=clock.now(), lease=lease)
    assert slow
    Notification.claim(slow.id, now=clock.now() + lease, lease=lease)
    later = only_message()

    slow.finish(State.FAILED, now=clock.now(), failure="too slow")
    slow.schedule_retry(clock.now(), now=clock.now(), failure="too slow", fallback_at=clock.now())

    assert only_message().to_mongo() == later.to_mongo()


def test_worker_with_a_clock_slightly_behind_sends_immediately() -> None:
    make_appointment()

    with time_machine.travel(clock.now() - timedelta(seconds=1), tick=True):
        assert notifications.send(only_message().id) is State.SENT


def test_message_postponed_by_a_clock_that_was_ahead_is_sent_after_its_correction() -> None:
    make_appointment()
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=True):
        notifications.sweep()
        Notification.claim(only_message().id, now=clock.now(), lease=timedelta(minutes=1))
    notifications.sweep()

    with time_machine.travel(clock.now() + timedelta(seconds=10), tick=True):
        assert notifications.sweep() == 1
        assert notifications.send(only_message().id) is State.SENT


def test_email_without_a_gateway_fails() -> None:
    change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    with delivery_configured(email=None):
        email = only_message(channel=Channel.EMAIL, kind="appointment-confirmed")
        assert notifications.send(email.id) is State.FAILED


def test_no_email_is_created_without_a_gateway() -> None:
    with delivery_configured(email=None):
        change_status(make_appointment("asha@example.com"), Status.CONFIRMED)

    assert [one.channel for one in outbox()] == [Channel.SMS] * 2
