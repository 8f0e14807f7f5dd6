"""How the message of a code gets into the outbox, whatever becomes of the job for it."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask.testing import FlaskClient

from arthomed.auth.service import otp
from arthomed.auth.models import Otp
from arthomed.core import clock
from arthomed.notifications.models import Notification, State
from tests.factories import answer_with, ask_for_code, at_once, code_for, told
from tests.api.auth.sign_in import MOBILE, Now, code_sent


@pytest.fixture
def issue(client: FlaskClient) -> ObjectId:
    """A code whose job nobody has taken yet."""
    told(ask_for_code(client, MOBILE))
    found: ObjectId = Otp.objects.get().issue
    return found


def asked_for(redis: Any) -> int:
    found: int = redis.llen("codes")
    return found


def test_a_code_is_told_once_however_often_its_job_runs(issue: ObjectId) -> None:
    at_once(5, lambda _: otp.deliver(issue))

    assert [(one.subject, one.state) for one in Notification.objects] == [(issue, State.SENT)]


def test_it_may_be_told_for_two_minutes_since_it_was_asked_for(issue: ObjectId, now: Now) -> None:
    now.shift(timedelta(seconds=90))
    otp.deliver(issue)

    assert Notification.objects.get().useful_until < clock.now() + timedelta(seconds=31)


def test_a_job_that_was_lost_is_asked_for_again(issue: ObjectId, redis: Any, now: Now) -> None:
    redis.flushdb()
    now.shift(timedelta(seconds=6))
    otp.sweep()
    assert asked_for(redis) == 1

    now.shift(timedelta(seconds=20))
    otp.sweep()
    assert asked_for(redis) == 1  # it is left to that job for a while

    now.shift(timedelta(seconds=20))
    otp.sweep()
    assert asked_for(redis) == 2

    otp.deliver(issue)
    now.shift(timedelta(seconds=40))
    otp.sweep()
    assert asked_for(redis) == 2


def test_what_was_just_asked_for_is_left_to_its_job(issue: ObjectId, redis: Any) -> None:
    del issue  # its job waits
    otp.sweep()

    assert asked_for(redis) == 1


def test_what_nobody_waits_for_any_more_is_given_up_once(
    issue: ObjectId, redis: Any, now: Now, capsys: pytest.CaptureFixture[str]
) -> None:
    redis.flushdb()
    now.shift(timedelta(minutes=2))
    otp.sweep()
    otp.sweep()
    otp.deliver(issue)

    assert asked_for(redis) == 0
    assert Notification.objects.count() == 0
    assert capsys.readouterr().err.count("messages_expired") == 1


def test_a_run_that_was_killed_before_it_noted_what_it_did_leaves_the_rest_to_the_outbox(
    issue: ObjectId, redis: Any, now: Now
) -> None:
    otp.add_message_to_outbox(issue)
    Otp.objects.update(set__tell_at=clock.now())
    otp.deliver(issue)
    now.shift(timedelta(seconds=6))
    redis.flushdb()
    otp.sweep()

    assert asked_for(redis) == 0
    assert [one.state for one in Notification.objects] == [State.WAITING]


def test_a_code_that_was_replaced_is_not_told(client: FlaskClient, issue: ObjectId, now: Now) -> None:
    now.shift(timedelta(seconds=61))
    code_sent(client)
    otp.deliver(issue)

    assert Notification.objects.count() == 0


def test_a_code_that_was_used_is_not_told(client: FlaskClient, issue: ObjectId) -> None:
    told(answer_with(client, MOBILE, code_for(MOBILE)))
    otp.deliver(issue)

    assert Notification.objects.count() == 0


def test_first_codes_of_a_number_at_once_leave_one(client: FlaskClient) -> None:
    del client  # it empties the database
    at_once(6, lambda _: otp.request_code(MOBILE, purpose="login", address="127.0.0.1"))

    assert Otp.objects.count() == 1
