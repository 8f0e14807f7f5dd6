"""When messages leave: not at night, and never when they are of no more use."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from redis import Redis

from arthomed.config import settings
from arthomed.core import clock
from arthomed.infra.mailbox import Mailbox
from arthomed.notifications import outlets
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from arthomed.notifications.rules import Quiet
from tests import factories
from tests.api import carrier
from tests.factories import at_clinic

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, 30) + timedelta(days=ahead) for ahead in range(3))


@pytest.fixture(autouse=True)
def night(client: FlaskClient) -> Iterator[Any]:
    """Monday at eleven in the evening; the clinic is quiet from nine to eight."""
    del client  # it empties the database
    before = outlets.outlet()
    outlets.use(replace(before, quiet=Quiet("21:00", "08:00", settings().policy.timezone)))
    with time_machine.travel(at_clinic(MONDAY, "23:00"), tick=True) as now:
        yield now
    outlets.use(before)


def told_of(day: date, time: str = "09:00") -> Notification:
    """The SMS about a visit that was just requested."""
    hours = factories.every_day(time, f"{int(time[:2]) + 1:02}:00")
    visit = factories.make_visit(doctor=factories.make_doctor(hours), day=day, time=time)
    found: Notification = Notification.objects.get(subject=visit.id)
    return found


def stored(message: Notification) -> Notification:
    found: Notification = Notification.objects.get(id=message.id)
    return found


def caught() -> int:
    return len(Mailbox(settings().mailbox_file).newest_first())


def test_at_night_a_message_waits_for_the_morning_and_leaves_then(night: Any) -> None:
    message = told_of(WEDNESDAY)

    assert notifications.send(message.id) is State.WAITING
    aside = stored(message)
    assert at_clinic(TUESDAY, "08:00") <= aside.due_at <= at_clinic(TUESDAY, "08:15")
    assert (aside.attempts, caught()) == (0, 0)
    assert notifications.send(message.id) is None
    night.move_to(at_clinic(TUESDAY, "08:16"))
    assert notifications.send(message.id) is State.SENT


def test_what_waits_for_the_morning_is_left_alone_by_the_sweep_until_then(
    night: Any, environment: dict[str, str]
) -> None:
    notifications.send(told_of(WEDNESDAY).id)
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushdb()
        night.shift(timedelta(hours=1))
        assert notifications.sweep() == 0
        night.move_to(at_clinic(TUESDAY, "08:16"))
        assert notifications.sweep() == 1


def test_a_visit_of_the_morning_is_told_of_at_night() -> None:
    assert notifications.send(told_of(TUESDAY).id) is State.SENT


def test_a_code_is_sent_at_night(client: FlaskClient) -> None:
    factories.ask_for_code(client, mobile := factories.new_mobile())

    assert notifications.send(factories.message_of_code(mobile).id) is State.SENT


def test_a_retry_of_the_evening_does_not_wake_anybody_either(night: Any) -> None:
    night.move_to(at_clinic(MONDAY, "20:59"))
    message = told_of(WEDNESDAY)
    message.postpone(at_clinic(MONDAY, "21:05"), now=clock.now(), failure="twilio 500 20500", no_later_than=clock.now())
    night.move_to(at_clinic(MONDAY, "21:05"))

    assert notifications.send(message.id) is State.WAITING
    assert at_clinic(TUESDAY, "08:00") <= stored(message).due_at <= at_clinic(TUESDAY, "08:15")


def test_a_code_that_could_not_be_sent_within_two_minutes_is_given_up(client: FlaskClient, night: Any) -> None:
    factories.ask_for_code(client, mobile := factories.new_mobile())
    message = factories.message_of_code(mobile)
    night.shift(timedelta(minutes=2))

    assert notifications.send(message.id) is State.EXPIRED
    assert (stored(message).state, caught()) == (State.EXPIRED, 0)


def test_the_sweep_counts_what_expired_while_no_worker_was_there(
    client: FlaskClient, night: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    mobiles = [factories.new_mobile() for _ in range(3)]
    for mobile in mobiles:
        factories.ask_for_code(client, mobile)
        factories.message_of_code(mobile)
    visit = told_of(WEDNESDAY)
    night.shift(timedelta(minutes=3))
    notifications.sweep()

    assert Notification.objects(state=State.EXPIRED).count() == 3
    assert stored(visit).state is State.WAITING
    assert "messages_expired" in (told := capsys.readouterr().err)
    assert "count=3" in told


def test_what_would_be_tried_again_too_late_is_given_up_at_once(client: FlaskClient) -> None:
    factories.ask_for_code(client, mobile := factories.new_mobile())
    message = factories.message_of_code(mobile)
    Notification.objects.update(set__attempts=5)  # the next wait is 320 seconds
    with carrier.running() as found, carrier.in_use(found):
        found.answer = (500, {})
        assert notifications.send(message.id) is State.EXPIRED

    assert stored(message).failure == "twilio 500 500"


def test_a_message_that_was_on_its_way_when_it_expired_was_sent(night: Any) -> None:
    message = told_of(TUESDAY)
    claimed = Notification.claim(message.id, now=clock.now(), lease=timedelta(minutes=1))
    assert claimed is not None
    Notification.expire(message.channel, datetime(2026, 12, 5, tzinfo=UTC))
    claimed.settle(State.SENT, now=clock.now())

    assert stored(message).state is State.SENT
