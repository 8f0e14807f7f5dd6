"""The outbox: messages are stored with the change they are about, sent once, retried, and dropped when outdated."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from bson import ObjectId
from pymongo.database import Database
from redis import Redis

from arthomed.appointments.models import PAID, Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, transitions
from arthomed.config import settings
from arthomed.core import clock, jobs
from arthomed.core.errors import ClinicError
from arthomed.core.permissions import Role
from arthomed.infra.mailbox import Mailbox
from arthomed.infra.queue import CeleryJobs
from arthomed.notifications import delivery, rules
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Channel, Notification, State
from arthomed.users.models import User
from dev.servers import free_port
from tests import factories

TUESDAY = date(2026, 12, 1)
DAY = factories.every_day("09:00", "12:00")[1:2]
Records = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def monday_evening() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield


def make_appointment(email: str | None = None) -> Appointment:
    patient = factories.make_user(name="Asha Verma", email=email)
    return factories.make_visit(patient, factories.make_doctor(DAY, name="Dr Meera Iyer"), day=TUESDAY)


def change_status(appointment: Appointment, *statuses: Status, reason: str | None = "As agreed") -> Appointment:
    admin = factories.acting(factories.make_user(Role.ADMIN))
    for status in statuses:
        appointment = transitions.change_status(admin, appointment.id, status, reason=reason)
    return appointment


def outbox(**filters: Any) -> list[Notification]:
    return list(Notification.objects(**filters).order_by("id"))


def only_message(**filters: Any) -> Notification:
    [found] = outbox(**filters)
    return found


def sent_texts() -> list[str]:
    """The texts of all sent messages, the oldest first."""
    return [one.text for one in Mailbox(settings().mailbox_file).newest_first()][::-1]


@pytest.mark.parametrize(("email", "fallback"), [(None, None), ("asha@example.com", Channel.EMAIL)])
def test_booking_notifies_by_sms_with_email_as_fallback(email: str | None, fallback: Channel | None) -> None:
    appointment = make_appointment(email)

    message = only_message()
    assert (message.user, message.subject, message.kind) == (
        appointment.patient_id,
        appointment.id,
        "appointment-pending",
    )
    assert (message.version, message.state, message.channel, message.fallback) == (
        1,
        State.WAITING,
        Channel.SMS,
        fallback,
    )


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
        factories.make_visit(doctor=User.objects.get(id=appointment.doctor_id), day=TUESDAY)

    assert len(outbox()) == 1


def test_failed_status_change_leaves_no_message() -> None:
    appointment = change_status(make_appointment(), Status.CONFIRMED)
    with pytest.raises(ClinicError):
        change_status(appointment, Status.CONFIRMED)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


def test_check_in_and_no_show_create_no_message() -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, "08:00"), tick=True):
        appointment = change_status(make_appointment(), Status.CONFIRMED)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:05"), tick=True):
        change_status(appointment, Status.NO_SHOW, Status.CONFIRMED, Status.IN_PROGRESS)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


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
            assert notifications.sweep() == 3
        assert (redis.llen("sms"), redis.llen("email")) == (2, 1)


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

    states = factories.at_once(6, lambda _: notifications.send(message))

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
    before = delivery.config()
    delivery.configure(replace(before, email=None))
    try:
        assert notifications.send(only_message(channel=Channel.EMAIL).id) is State.FAILED
    finally:
        delivery.configure(before)


def test_no_email_is_created_without_a_gateway() -> None:
    before = delivery.config()
    delivery.configure(replace(before, email=None))
    try:
        change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    finally:
        delivery.configure(before)

    assert [one.channel for one in outbox()] == [Channel.SMS] * 2


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED, Status.REJECTED])
def test_message_is_dropped_after_a_later_status_change(status: Status) -> None:
    appointment = make_appointment()
    first = only_message().id
    change_status(appointment, status)

    assert notifications.send(first) is State.DROPPED
    assert sent_texts() == []


def test_confirmation_is_sent_until_the_appointment_ends() -> None:
    change_status(make_appointment(), Status.CONFIRMED)
    confirmed = only_message(kind="appointment-confirmed").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:10"), tick=True):
        assert notifications.send(confirmed) is State.SENT


def test_confirmation_expires_when_the_appointment_ends() -> None:
    change_status(make_appointment(), Status.CONFIRMED)
    confirmed = only_message(kind="appointment-confirmed").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:30"), tick=True):
        assert notifications.send(confirmed) is State.EXPIRED
    assert sent_texts() == []


def test_cancellation_is_sent_for_a_day_even_after_the_appointment() -> None:
    change_status(make_appointment(), Status.CANCELLED)
    cancelled = only_message(kind="appointment-cancelled").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "19:00"), tick=True):
        assert notifications.send(cancelled) is State.SENT


def test_email_is_dropped_after_the_patient_removed_the_address() -> None:
    appointment = change_status(make_appointment("asha@example.com"), Status.CONFIRMED)
    User.objects(id=appointment.patient_id).update(unset__email=True)

    assert notifications.send(only_message(channel=Channel.EMAIL).id) is State.DROPPED


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
    in_calendar = statuses[-1:] in ([Status.CONFIRMED], [Status.CANCELLED])
    assert sms == f"Arthomed: {text}"
    assert [email.split("\n", 2)[2] for email in emails] == [f"Dear Asha Verma,\n\n{text}\n\nArthomed"] * in_calendar


def test_cancellation_without_refund_does_not_mention_one() -> None:
    appointment = make_appointment()
    change_status(appointment, Status.CONFIRMED)
    Appointment.objects(id=appointment.id).update(set__payment__amount=0)
    transitions.cancel(factories.acting(User.objects.get(id=appointment.patient_id)), appointment.id, reason=None)
    notifications.send(only_message(kind="appointment-cancelled").id)

    assert sent_texts() == ["Arthomed: Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is cancelled."]


def test_cancellation_of_a_paid_appointment_mentions_the_refund() -> None:
    appointment = make_appointment()
    Appointment.objects(id=appointment.id).update(set__payment__status=PAID)
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
    patient, doctor = factories.make_user(), factories.make_doctor(DAY)
    wish = factories.make_wish(doctor, day=TUESDAY)

    for _ in range(2):
        booking.book(factories.acting(patient), wish, key="a-key-of-mine")

    assert len(outbox()) == 1
