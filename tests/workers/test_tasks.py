"""Every job has a task and a queue, and each task does its work."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from celery import Celery

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.jobs import Job
from arthomed.core.permissions import Role
from arthomed.infra.mailbox import Mailbox
from arthomed.infra.queue import queue_of
from arthomed.notifications.models import Channel, Notification, State
from arthomed.scheduling.models import Slot
from tests import factories
from tests.factories import Records
from tests.stack import QUEUES, ROOT

Run = Callable[..., None]


@pytest.fixture
def run(celery: Celery, database: Records) -> Run:
    """Run the task of a job in this process, with an empty database."""
    assert not database.users.count_documents({})
    return lambda job, *ids: celery.tasks[job].run(*ids)


def test_every_job_has_a_task_and_every_task_is_a_job(celery: Celery) -> None:
    assert {name for name in celery.tasks if not name.startswith("celery.")} == set(Job)


def test_the_queue_of_every_job_is_declared_and_consumed(celery: Celery) -> None:
    queues = {queue_of(job)["queue"] for job in Job}
    assert queues <= {queue.name for queue in celery.conf.task_queues}
    assert f"-Q {QUEUES}" in (ROOT / "Procfile").read_text()
    assert f'"-Q", "{QUEUES}"' in (ROOT / "compose.yaml").read_text()
    assert queues <= set(QUEUES.split(","))


def test_a_job_goes_to_its_own_queue_only(celery: Celery, run: Run, redis: Any) -> None:
    run(Job.SWEEP_MESSAGES)
    celery.send_task(Job.SWEEP_MESSAGES)
    assert {queue: redis.llen(queue) for queue in QUEUES.split(",")} == {
        "codes": 0,
        "strangers": 0,
        "sms": 0,
        "email": 0,
        "slots": 0,
        "files": 0,
        "default": 1,
    }


def test_nothing_but_json_is_accepted(celery: Celery) -> None:
    assert (celery.conf.accept_content, celery.conf.task_serializer) == (["json"], "json")


def test_the_time_limit_of_unlocked_tasks_is_below_the_visibility_timeout(celery: Celery) -> None:
    unlocked = [celery.tasks[job] for job in Job if not celery.tasks[job].single_run]
    longest = max(task.time_limit or celery.conf.task_time_limit for task in unlocked)
    assert longest < celery.conf.broker_transport_options["visibility_timeout"]


def test_every_periodic_job_has_a_lock(celery: Celery) -> None:
    periodic = {entry["task"] for entry in celery.conf.beat_schedule.values()}
    assert [name for name in periodic if not celery.tasks[name].single_run] == []


@pytest.mark.parametrize(("job", "channel"), [(Job.SEND_SMS, Channel.SMS), (Job.SEND_EMAIL, Channel.EMAIL)])
def test_a_sending_task_sends_the_message_of_the_outbox(run: Run, job: Job, channel: Channel) -> None:
    patient = factories.make_user(email="asha@example.com")
    appointment = factories.make_appointment(patient)
    transitions.change_status(factories.actor_of(factories.make_user(Role.ADMIN)), appointment.id, Status.CONFIRMED)

    run(job, str(Notification.objects.get(channel=channel, kind="appointment-confirmed").id))

    assert [caught.channel for caught in Mailbox(settings().mailbox_file).newest_first()] == [channel]


def test_the_slots_of_a_doctor_are_generated_from_the_schedule(run: Run) -> None:
    doctor = factories.make_doctor()
    Slot.objects.delete()
    run(Job.SYNC_SLOTS, str(doctor.id))
    assert Slot.objects(doctor=doctor.id).count() > settings().policy.horizon_days


def test_the_generation_of_slots_is_enqueued_for_many_doctors_at_once(run: Run, redis: Any) -> None:
    for _ in range(3):
        factories.make_doctor()
    before = redis.llen("slots")
    run(Job.GENERATE_SLOTS)
    assert redis.llen("slots") - before == 1


def test_a_job_that_is_enqueued_by_a_job_has_the_request_id_of_the_first(run: Run, redis: Any) -> None:
    factories.make_doctor()
    redis.delete("slots")
    origin.set_current(origin.Origin("the-request-of-the-test"))
    run(Job.GENERATE_SLOTS)
    origin.set_current(origin.SYSTEM)
    assert json.loads(redis.lindex("slots", 0))["headers"]["request_id"] == "the-request-of-the-test"


def test_the_outbox_sweeper_enqueues_messages_that_the_broker_lost(run: Run, redis: Any) -> None:
    factories.make_appointment()
    redis.delete("sms")  # the broker loses the job
    with time_machine.travel(timedelta(minutes=1), tick=True):
        run(Job.SWEEP_MESSAGES)
    assert redis.llen("sms") == 1


def test_an_undelivered_sms_is_sent_by_email(run: Run, redis: Any) -> None:
    factories.make_appointment(factories.make_user(email="asha@example.com"))
    Notification.objects.update(set__state=State.SENT, set__fallback_at=clock.now())
    run(Job.FALL_BACK)
    assert redis.llen("email") == 1


def test_a_push_without_a_device_is_dropped(run: Run) -> None:
    factories.make_appointment()
    Notification.objects.update(set__channel=Channel.PUSH)
    run(Job.SEND_PUSH, str(Notification.objects.get().id))
    assert Notification.objects.get().state is State.DROPPED


@pytest.mark.parametrize(
    ("job", "before", "after"),
    [(Job.REJECT_UNCONFIRMED, Status.PENDING, Status.REJECTED), (Job.MARK_NO_SHOWS, Status.CONFIRMED, Status.NO_SHOW)],
)
def test_overdue_appointments_are_rejected_or_marked_as_no_show(
    run: Run, job: Job, before: Status, after: Status
) -> None:
    appointment = factories.make_appointment()
    Appointment.objects(id=appointment.id).update(set__status=before)
    with time_machine.travel(appointment.ends_at + timedelta(hours=2), tick=True):
        run(job)
    assert Appointment.objects.get(id=appointment.id).status is after


def test_a_failed_task_is_logged_once_with_its_job(
    celery: Celery, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Job.SWEEP_MESSAGES)
    celery.tasks[Job.SEND_SMS].apply(["not an id"])
    assert re.findall(r"raised unexpected.* task=(\S+)", capsys.readouterr().err) == [Job.SEND_SMS]
