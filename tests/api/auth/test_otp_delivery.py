"""The message of a code reaches the outbox, also when its job is lost or repeated."""

from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from flask.testing import FlaskClient

from arthomed.auth.models import Otp
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import clock
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification, State
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.factories import code_for, data_of, in_parallel, request_code, submit_code


@pytest.fixture
def issue(client: FlaskClient) -> ObjectId:
    """A new code, whose job waits in the queue."""
    data_of(request_code(client, MOBILE))
    found: ObjectId = Otp.objects.get().issue
    return found


def queued_jobs(redis: Any) -> int:
    found: int = redis.llen("strangers")
    return found


def test_repeated_jobs_send_a_code_once(issue: ObjectId) -> None:
    in_parallel(5, lambda _: otp.deliver(issue))

    assert [(one.subject, one.state) for one in Notification.objects] == [(issue, State.SENT)]


def test_the_message_of_a_code_is_useful_for_two_minutes_after_the_request(issue: ObjectId, now: Now) -> None:
    now.shift(timedelta(seconds=90))
    otp.deliver(issue)

    assert Notification.objects.get().useful_until < clock.now() + timedelta(seconds=31)


def test_the_sweeper_enqueues_a_lost_job_again_every_thirty_seconds(issue: ObjectId, redis: Any, now: Now) -> None:
    redis.flushdb()
    now.shift(timedelta(seconds=6))
    otp.sweep()
    assert queued_jobs(redis) == 1

    now.shift(timedelta(seconds=20))
    otp.sweep()
    assert queued_jobs(redis) == 1

    now.shift(timedelta(seconds=20))
    otp.sweep()
    assert queued_jobs(redis) == 2

    otp.deliver(issue)
    now.shift(timedelta(seconds=40))
    otp.sweep()
    assert queued_jobs(redis) == 2


def test_the_sweeper_skips_codes_requested_just_now(issue: ObjectId, redis: Any) -> None:
    del issue  # its job waits
    otp.sweep()

    assert queued_jobs(redis) == 1


def test_the_sweeper_gives_up_codes_older_than_two_minutes_once(
    issue: ObjectId, redis: Any, now: Now, capsys: pytest.CaptureFixture[str]
) -> None:
    redis.flushdb()
    now.shift(timedelta(minutes=2))
    otp.sweep()
    otp.sweep()
    otp.deliver(issue)

    assert queued_jobs(redis) == 0
    assert Notification.objects.count() == 0
    assert capsys.readouterr().err.count("messages_expired") == 1


def test_a_job_killed_after_the_outbox_write_leaves_the_message_to_the_outbox_sweeper(
    issue: ObjectId, redis: Any, now: Now
) -> None:
    otp.add_message_to_outbox(issue)
    Otp.objects.update(set__enqueue_again_at=clock.now())
    otp.deliver(issue)
    now.shift(timedelta(seconds=6))
    redis.flushdb()
    otp.sweep()

    assert queued_jobs(redis) == 0
    assert [one.state for one in Notification.objects] == [State.WAITING]


@pytest.mark.parametrize("is_patient", [False, True], ids=["stranger", "patient"])
def test_a_job_killed_before_the_outbox_write_counts_its_sms_once(
    issue: ObjectId, redis: Any, monkeypatch: pytest.MonkeyPatch, *, is_patient: bool
) -> None:
    if is_patient:
        factories.make_user(mobile_number=MOBILE)
    with monkeypatch.context() as killed:
        killed.setattr(notifications, "add_to_outbox", _die)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                otp.deliver(issue)
    redis.set("quota:patients", settings().codes.daily_patient_quota, ex=3000)  # another first SMS would need it

    otp.deliver(issue)

    assert [one.state for one in Notification.objects] == [State.SENT]
    counted = f"first:{MOBILE}" if is_patient else "strangers"
    assert {key: int(redis.get(f"quota:{key}") or 0) for key in (counted, "strangers")} == {
        counted: 1,
        "strangers": 1 - is_patient,
    }


def test_an_exhausted_quota_withholds_no_sms_that_was_counted(issue: ObjectId, redis: Any) -> None:
    in_parallel(5, lambda _: otp.add_message_to_outbox(issue))
    Otp.objects.update(set__enqueue_again_at=clock.now())
    redis.set("quota:strangers", settings().codes.hourly_stranger_quota, ex=3000)

    otp.deliver(issue)

    assert Notification.objects.count() == 1
    assert not Otp.objects.get().is_used


def _die(_messages: object) -> None:
    raise KeyboardInterrupt


def test_a_replaced_code_is_not_sent(client: FlaskClient, issue: ObjectId, now: Now) -> None:
    now.shift(timedelta(seconds=61))
    code_sent(client)
    otp.deliver(issue)

    assert Notification.objects.count() == 0


def test_a_used_code_is_not_sent(client: FlaskClient, issue: ObjectId) -> None:
    data_of(submit_code(client, MOBILE, code_for(MOBILE)))
    otp.deliver(issue)

    assert Notification.objects.count() == 0
