"""Put messages into the outbox, send them, and sweep up what was left."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core import clock, jobs, metrics, origin
from arthomed.core.origin import Origin
from arthomed.notifications import outlets, rules
from arthomed.notifications.gateways import Attempt, DeliveryFailed, DeviceGone, Receipt
from arthomed.notifications.models import Channel, Notification, State, Timing

log = structlog.get_logger()

_JOB_OF = {Channel.SMS: jobs.Job.SEND_SMS, Channel.EMAIL: jobs.Job.SEND_EMAIL, Channel.PUSH: jobs.Job.SEND_PUSH}
_SWEEP_GRACE = timedelta(seconds=5)  # leave the fresh ones to the job that was just asked for
_SWEEP_AGAIN = timedelta(minutes=1)
_SWEEP_LIMIT = 500


def messages(
    *,
    user: ObjectId | None,
    subject: ObjectId,
    kind: str,
    version: int,
    channels: Iterable[Channel],
    timing: Timing,
    fallback: Channel | None = None,
) -> list[Notification]:
    """One for each channel, to be put into the outbox.

    `fallback` takes over from an SMS that does not arrive. Channels that there are not are left out.
    """
    now = clock.now()
    return [
        Notification(
            id=ObjectId(),
            user=user,
            subject=subject,
            kind=kind,
            version=version,
            channel=channel,
            due_at=now - rules.CLOCKS_APART,
            useful_until=timing.useful_until,
            about=timing.about,
            fallback=fallback if channel is Channel.SMS else None,
        )
        for channel in channels
        if outlets.is_open(channel, kind)
    ]


def with_devices(users: Collection[ObjectId]) -> set[ObjectId]:
    """Those of these people who have a device that is told by push; in one query, or none where nobody is."""
    push = outlets.outlet().push
    return push.with_devices(users) if push and users else set()


def put(notifications: Sequence[Notification], session: ClientSession | None = None) -> None:
    """Write messages to the outbox, in the transaction of the change they tell about."""
    Notification.insert_all(notifications, session)


def hand_over(notifications: Sequence[Notification]) -> None:
    """Ask for the sending, after the commit.

    Raises:
        jobs.JobsUnavailable: the messages stay in the outbox for the sweep.
    """
    jobs.enqueue_all(sendings(notifications, origin.current()))


def hand_over_or_leave(notifications: Sequence[Notification]) -> None:
    """As hand_over, but a broker that is away is the sweep's business, not the caller's."""
    enqueue_or_leave_to_sweeper(sendings(notifications, origin.current()))


def sendings(notifications: Sequence[Notification], source: Origin) -> list[jobs.JobRequest]:
    """The jobs that send messages of that request, for `ask_or_leave` after the commit."""
    # Somebody waits for a code with the phone in hand: it doesn't queue up behind the rest.
    return [
        jobs.JobRequest(
            jobs.Job.SEND_CODE if rules.is_secret(one.kind) else _JOB_OF[one.channel], (str(one.id),), source
        )
        for one in notifications
    ]


def enqueue_or_leave_to_sweeper(sending: Sequence[jobs.JobRequest]) -> None:
    """Ask for jobs that a sweep asks for when the broker is away."""
    try:
        jobs.enqueue_all(sending)
    except jobs.JobsUnavailable:
        log.warning("messages_left_to_sweep", count=len(sending))


def send(notification_id: ObjectId) -> State | None:
    """Send one message if it is still waiting, still true and still of use; tells what became of it."""
    notification = Notification.claim(notification_id, now=clock.now(), lease=outlets.outlet().lease)
    if notification is None:
        return None
    state = _send(notification)
    metrics.MESSAGES.add(notification.channel, state)
    return state


def _send(notification: Notification) -> State:
    now = clock.now()
    if rules.is_worn_out(notification.tries):
        return _give_up(notification, "no attempt came to an end")
    if not rules.is_of_use(notification.useful_until, now):
        return _settle(notification, State.EXPIRED, "its time has passed")
    morning = rules.put_aside_until(
        notification.about, notification.useful_until, quiet=outlets.outlet().quiet, now=now, luck=_luck()
    )
    if morning is not None:
        notification.put_aside(morning, now=now)
        return State.WAITING
    return _attempt(notification)


def sweep() -> int:
    """Ask again for the sending of what is due; returns how many.

    What an earlier sweep asked for is left to its job for a while, or a long queue would get longer.
    """
    now = clock.now()
    ahead = {"written_after": now + rules.WRONG_CLOCK, "due_after": now + rules.LONGEST_WAIT}
    if put_right := Notification.put_right(now, **ahead):
        log.warning("messages_of_a_clock_ahead", count=put_right)
    for channel in Channel:
        if expired := Notification.expire(channel, now):
            log.error("messages_expired", count=expired, channel=str(channel))
            metrics.MESSAGES.add(channel, State.EXPIRED, by=expired)
    left = Notification.left_behind(now, due_before=now - _SWEEP_GRACE, swept_before=now - _SWEEP_AGAIN)
    found = list(left.limit(_SWEEP_LIMIT))
    hand_over(found)
    Notification.objects(id__in=[one.id for one in found]).update(set__swept_at=now)
    return len(found)


def _attempt(notification: Notification) -> State:
    """Word it and give it to its gateway."""
    if notification.stands_in and Notification.has_arrived(notification):
        return _settle(notification, State.DROPPED)
    message = outlets.outlet().composers[notification.kind](_as_worded(notification))
    if message is None:
        return _settle(notification, State.DROPPED)
    try:
        receipt = outlets.hand_to_gateway(notification, message)
    except DeviceGone as gone:
        return _settle(notification, State.DROPPED, str(gone))
    except DeliveryFailed as failure:
        return _put_off(notification, failure)
    return _note_sent(notification, receipt)


def _as_worded(notification: Notification) -> Notification:
    """A push has the words of the SMS."""
    if notification.channel is not Channel.PUSH:
        return notification
    worded: Notification = Notification.from_raw({**notification.to_mongo(), "channel": Channel.SMS})
    return worded


def _note_sent(notification: Notification, receipt: Receipt | None) -> State:
    now, wait = clock.now(), outlets.receipt_wait()
    if receipt is not None:
        attempt = Attempt(str(notification.id), notification.attempts)
        Notification.note_receipt(attempt, receipt, now=now, wait=wait)
    else:
        notification.settle(State.SENT, now=now, fallback_at=now + wait if wait else None)
    log.info("message_sent", notification_id=str(notification.id), kind=notification.kind)
    return State.SENT


def _put_off(notification: Notification, failure: DeliveryFailed) -> State:
    now, reason = clock.now(), str(failure)
    if rules.is_given_up(notification.tries, permanent=failure.permanent):
        return _give_up(notification, reason)
    again = now + rules.wait_before(notification.tries, luck=_luck(), asked=failure.retry_after)
    if not rules.is_of_use(notification.useful_until, again):
        return _settle(notification, State.EXPIRED, reason)
    notification.postpone(again, now=now, failure=reason, no_later_than=now + outlets.outlet().receipt_wait)
    log.warning("message_put_off", notification_id=str(notification.id), reason=reason)
    return State.WAITING


def _give_up(notification: Notification, reason: str) -> State:
    now = clock.now()
    notification.settle(State.FAILED, now=now, failure=reason, fallback_at=now)
    log.error("message_given_up", notification_id=str(notification.id), reason=reason)
    return State.FAILED


def _settle(notification: Notification, state: State, reason: str | None = None) -> State:
    now = clock.now()
    notification.settle(state, now=now, failure=reason, fallback_at=now if state is State.EXPIRED else None)
    if state is State.EXPIRED:
        log.error("messages_expired", count=1, notification_id=str(notification.id), reason=reason)
    return state


def _luck() -> float:
    return secrets.randbelow(1000) / 999
