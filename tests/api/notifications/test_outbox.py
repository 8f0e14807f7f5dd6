"""The outbox: written with the change it tells about, sent once, tried again, dropped when it is no longer true."""

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
from arthomed.notifications import outlets, rules
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


def visit_of(email: str | None = None) -> Appointment:
    patient = factories.make_user(name="Asha Verma", email=email)
    return factories.make_visit(patient, factories.make_doctor(DAY, name="Dr Meera Iyer"), day=TUESDAY)


def become(visit: Appointment, *path: Status, reason: str | None = "As agreed") -> Appointment:
    admin = factories.acting(factories.make_user(Role.ADMIN))
    for status in path:
        visit = transitions.change_status(admin, visit.id, status, reason=reason)
    return visit


def outbox(**wanted: Any) -> list[Notification]:
    return list(Notification.objects(**wanted).order_by("id"))


def only(**wanted: Any) -> Notification:
    [found] = outbox(**wanted)
    return found


def caught() -> list[str]:
    """The texts that left, in order."""
    return [one.text for one in Mailbox(settings().mailbox_file).newest_first()][::-1]


@pytest.mark.parametrize(("email", "fallback"), [(None, None), ("asha@example.com", Channel.EMAIL)])
def test_a_booking_is_told_by_sms_and_by_email_when_that_does_not_arrive(
    email: str | None, fallback: Channel | None
) -> None:
    visit = visit_of(email)

    told = only()
    assert (told.user, told.subject, told.kind) == (visit.patient_id, visit.id, "appointment-pending")
    assert (told.version, told.state, told.channel, told.fallback) == (1, State.WAITING, Channel.SMS, fallback)


@pytest.mark.parametrize("status", [Status.CONFIRMED, Status.CANCELLED])
@pytest.mark.parametrize(
    ("email", "channels"), [(None, [Channel.SMS]), ("asha@example.com", [Channel.SMS, Channel.EMAIL])]
)
def test_what_belongs_into_a_calendar_is_told_by_email_too(
    status: Status, email: str | None, channels: list[Channel]
) -> None:
    become(visit_of(email), status)

    told = outbox(kind=f"appointment-{status}")
    assert [(one.channel, one.fallback) for one in told] == [(channel, None) for channel in channels]


def test_a_booking_that_fails_leaves_no_message() -> None:
    visit = visit_of()
    with pytest.raises(ClinicError):
        factories.make_visit(doctor=User.objects.get(id=visit.doctor_id), day=TUESDAY)

    assert len(outbox()) == 1


def test_a_step_that_fails_leaves_no_message() -> None:
    visit = become(visit_of(), Status.CONFIRMED)
    with pytest.raises(ClinicError):
        become(visit, Status.CONFIRMED)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


def test_steps_that_nobody_is_told_of_write_no_message() -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, "08:00"), tick=True):
        visit = become(visit_of(), Status.CONFIRMED)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:05"), tick=True):
        become(visit, Status.NO_SHOW, Status.CONFIRMED, Status.IN_PROGRESS)

    assert [one.kind for one in outbox()] == ["appointment-pending", "appointment-confirmed"]


def test_a_message_is_asked_for_by_its_id_and_nothing_else(environment: dict[str, str]) -> None:
    visit = become(visit_of("asha@example.com"), Status.CONFIRMED)
    with Redis.from_url(environment["REDIS_URL"], decode_responses=True) as redis:
        for channel in (Channel.SMS, Channel.EMAIL):
            raw = redis.lrange(str(channel), 0, 0)[0]  # the newest
            queued = json.loads(raw)
            confirmed = only(channel=channel, kind="appointment-confirmed").id
            assert queued["headers"]["argsrepr"] == repr((str(confirmed),))
            assert "9100" not in raw
            assert str(visit.patient_id) not in raw


@pytest.fixture
def broker_away() -> Iterator[None]:
    jobs.use(CeleryJobs(f"redis://127.0.0.1:{free_port()}/0"))
    yield
    jobs.use(CeleryJobs(settings().redis_url))


@pytest.mark.usefixtures("broker_away")
def test_without_the_broker_a_visit_is_booked_and_its_message_is_left_to_the_sweep() -> None:
    visit = visit_of()

    assert (visit.status, only().state) == (Status.PENDING, State.WAITING)


def test_the_sweep_asks_again_for_what_is_due(environment: dict[str, str]) -> None:
    become(visit_of("asha@example.com"), Status.CONFIRMED)
    with Redis.from_url(environment["REDIS_URL"]) as redis:
        redis.flushdb()
        assert notifications.sweep() == 0  # they were asked for just now
        with time_machine.travel(clock.now() + timedelta(seconds=6), tick=True):
            assert notifications.sweep() == 3
        assert (redis.llen("sms"), redis.llen("email")) == (2, 1)


def test_the_sweep_leaves_what_is_done(database: Records) -> None:
    visit_of()
    for state in (State.SENT, State.DROPPED, State.FAILED):
        database.notifications.update_many({}, {"$set": {"state": state}})
        with time_machine.travel(clock.now() + timedelta(days=1), tick=True):
            assert notifications.sweep() == 0


def test_a_message_is_sent_once_however_often_its_job_comes() -> None:
    visit_of()

    assert [notifications.send(only().id) for _ in range(3)] == [State.SENT, None, None]
    assert len(caught()) == 1
    assert only().sent_at is not None


def test_a_message_is_sent_once_when_its_job_comes_to_several_workers_at_once() -> None:
    visit_of()
    message = only().id

    done = factories.at_once(6, lambda _: notifications.send(message))

    assert sorted(map(str, done)) == ["None"] * 5 + ["sent"]
    assert len(caught()) == 1


def test_a_message_that_was_never_written_is_no_trouble() -> None:
    assert notifications.send(ObjectId()) is None


def test_a_message_of_a_worker_that_died_is_another_workers_after_the_lease() -> None:
    visit_of()
    lease, message = outlets.outlet().lease, only().id
    Notification.claim(message, now=clock.now(), lease=lease)  # and then the power went

    assert notifications.send(message) is None
    with time_machine.travel(clock.now() + lease, tick=True):
        assert notifications.send(message) is State.SENT


def test_a_message_that_kills_every_worker_is_given_up() -> None:
    visit_of()
    lease, message = outlets.outlet().lease, only().id
    moment = clock.now()
    for _ in range(rules.MAX_ATTEMPTS):
        moment += lease
        assert Notification.claim(message, now=moment, lease=lease) is not None

    with time_machine.travel(moment + lease, tick=True):
        assert notifications.send(message) is State.FAILED
    assert caught() == []


def test_what_was_sent_stays_sent_whatever_a_slow_worker_thinks() -> None:
    visit_of()
    message = only()
    notifications.send(message.id)

    message.settle(State.FAILED, now=clock.now(), failure="too slow")
    message.postpone(clock.now(), now=clock.now(), failure="too slow", no_later_than=clock.now())

    assert only().state is State.SENT


def test_a_worker_that_was_too_slow_decides_nothing_about_a_later_attempt() -> None:
    visit_of()
    lease = timedelta(minutes=1)
    slow = Notification.claim(only().id, now=clock.now(), lease=lease)
    assert slow
    Notification.claim(slow.id, now=clock.now() + lease, lease=lease)
    later = only()

    slow.settle(State.FAILED, now=clock.now(), failure="too slow")
    slow.postpone(clock.now(), now=clock.now(), failure="too slow", no_later_than=clock.now())

    assert only().to_mongo() == later.to_mongo()


def test_a_worker_whose_clock_is_a_little_behind_sends_at_once() -> None:
    visit_of()

    with time_machine.travel(clock.now() - timedelta(seconds=1), tick=True):
        assert notifications.send(only().id) is State.SENT


def test_what_a_clock_that_was_ahead_has_put_off_or_swept_is_sent_once_it_is_put_right() -> None:
    visit_of()
    with time_machine.travel(clock.now() + timedelta(hours=2), tick=True):
        notifications.sweep()
        Notification.claim(only().id, now=clock.now(), lease=timedelta(minutes=1))
    notifications.sweep()

    with time_machine.travel(clock.now() + timedelta(seconds=10), tick=True):
        assert notifications.sweep() == 1
        assert notifications.send(only().id) is State.SENT


def test_an_email_without_a_way_out_is_given_up_and_not_taken_for_sent() -> None:
    become(visit_of("asha@example.com"), Status.CONFIRMED)
    before = outlets.outlet()
    outlets.use(replace(before, email=None))
    try:
        assert notifications.send(only(channel=Channel.EMAIL).id) is State.FAILED
    finally:
        outlets.use(before)


def test_without_a_way_out_no_email_is_written() -> None:
    before = outlets.outlet()
    outlets.use(replace(before, email=None))
    try:
        become(visit_of("asha@example.com"), Status.CONFIRMED)
    finally:
        outlets.use(before)

    assert [one.channel for one in outbox()] == [Channel.SMS] * 2


@pytest.mark.parametrize("moved_to", [Status.CONFIRMED, Status.CANCELLED, Status.REJECTED])
def test_a_message_is_dropped_when_the_visit_has_moved_on(moved_to: Status) -> None:
    visit = visit_of()
    first = only().id
    become(visit, moved_to)

    assert notifications.send(first) is State.DROPPED
    assert caught() == []


def test_a_confirmation_is_told_until_the_visit_ends() -> None:
    become(visit_of(), Status.CONFIRMED)
    confirmed = only(kind="appointment-confirmed").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:10"), tick=True):
        assert notifications.send(confirmed) is State.SENT


def test_a_confirmation_is_not_told_after_the_visit() -> None:
    become(visit_of(), Status.CONFIRMED)
    confirmed = only(kind="appointment-confirmed").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:30"), tick=True):
        assert notifications.send(confirmed) is State.EXPIRED
    assert caught() == []


def test_a_cancellation_is_told_for_a_day_even_after_the_visit() -> None:
    become(visit_of(), Status.CANCELLED)
    cancelled = only(kind="appointment-cancelled").id
    with time_machine.travel(factories.at_clinic(TUESDAY, "19:00"), tick=True):
        assert notifications.send(cancelled) is State.SENT


def test_an_email_is_dropped_when_the_patient_has_taken_the_address_back() -> None:
    visit = become(visit_of("asha@example.com"), Status.CONFIRMED)
    User.objects(id=visit.patient_id).update(unset__email=True)

    assert notifications.send(only(channel=Channel.EMAIL).id) is State.DROPPED


def test_a_message_about_nothing_is_dropped(database: Records) -> None:
    visit_of()
    database.appointments.delete_many({})

    assert notifications.send(only().id) is State.DROPPED


REQUESTED = "Your request for 01 Dec 2026 at 09:00 with Dr Meera Iyer has reached us. We will confirm it soon."
CONFIRMED = "Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is confirmed."
REJECTED = "We can't offer you 01 Dec 2026 at 09:00 with Dr Meera Iyer. Reason: {doctor} is on leave"
CANCELLED = "Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is cancelled."
COMPLETED = "Thank you for your visit to Dr Meera Iyer on 01 Dec 2026 at 09:00. Get well soon."


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ([], REQUESTED),
        ([Status.CONFIRMED], CONFIRMED),
        ([Status.REJECTED], REJECTED),
        ([Status.CONFIRMED, Status.CANCELLED], CANCELLED),
        ([Status.CONFIRMED, Status.IN_PROGRESS, Status.COMPLETED], COMPLETED),
    ],
    ids=str,
)
def test_a_message_says_who_when_and_what(path: list[Status], text: str) -> None:
    visit = visit_of("asha@example.com")
    with time_machine.travel(factories.at_clinic(TUESDAY, "08:50"), tick=True):
        become(visit, *path, reason="{doctor} is on leave")
        for message in outbox(kind=f"appointment-{path[-1] if path else 'pending'}"):
            notifications.send(message.id)

    sms, *emails = caught()
    in_calendar = Status.CONFIRMED in path[-1:] or Status.CANCELLED in path[-1:]
    assert sms == f"Arthomed: {text}"
    assert [email.split("\n", 2)[2] for email in emails] == [f"Dear Asha Verma,\n\n{text}\n\nArthomed"] * in_calendar


def test_a_cancellation_without_refund_promises_none() -> None:
    visit = visit_of()
    become(visit, Status.CONFIRMED)
    Appointment.objects(id=visit.id).update(set__payment__amount=0)
    transitions.cancel(factories.acting(User.objects.get(id=visit.patient_id)), visit.id, reason=None)
    notifications.send(only(kind="appointment-cancelled").id)

    assert caught() == ["Arthomed: Your visit with Dr Meera Iyer on 01 Dec 2026 at 09:00 is cancelled."]


def test_who_has_paid_is_told_of_the_refund() -> None:
    visit = visit_of()
    Appointment.objects(id=visit.id).update(set__payment__status=PAID)
    become(visit, Status.CANCELLED)
    notifications.send(only(kind="appointment-cancelled").id)

    assert caught()[0].endswith("is cancelled. Rs 500 will be refunded.")


def test_the_system_tells_why_it_rejected() -> None:
    visit_of()
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        transitions.reject_unconfirmed()
        notifications.send(only(kind="appointment-rejected").id)

    assert caught()[0].endswith("Reason: Nobody could confirm the visit before it was to start")


def test_a_booking_sent_again_with_its_key_writes_no_second_message() -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(DAY)
    wish = factories.make_wish(doctor, day=TUESDAY)

    for _ in range(2):
        booking.book(factories.acting(patient), wish, key="a-key-of-mine")

    assert len(outbox()) == 1
