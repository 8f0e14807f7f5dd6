"""Put messages into the outbox, send them, and sweep up what was left."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.core import clock, jobs
from arthomed.notifications import rules
from arthomed.notifications.gateways import DeliveryFailed, Email, EmailGateway, Sms, SmsGateway
from arthomed.notifications.models import Channel, Notification, State

log = structlog.get_logger()

Composer = Callable[[Notification], Sms | Email | None]
"""Looks again at what a message is about and words it; None when it need no longer be told."""

_JOB_OF = {Channel.SMS: jobs.Job.SEND_SMS, Channel.EMAIL: jobs.Job.SEND_EMAIL}
_SWEEP_GRACE = timedelta(seconds=5)  # leave the fresh ones to the job that was just asked for
_SWEEP_AGAIN = timedelta(minutes=1)
_SWEEP_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Outlet:
    """The gateways of this process, who words which kind, and how long a worker holds a message."""

    sms: SmsGateway
    email: EmailGateway | None
    composers: Mapping[str, Composer]
    lease: timedelta


_outlet: Outlet | None = None


def use(outlet: Outlet) -> None:
    global _outlet  # noqa: PLW0603  one outlet a process, set where the parts are put together
    _outlet = outlet


def outlet() -> Outlet:
    if _outlet is None:
        message = "no outlet is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    return _outlet


def put(
    *,
    user: ObjectId | None,
    subject: ObjectId,
    kind: str,
    version: int,
    channels: Iterable[Channel],
    session: ClientSession | None = None,
) -> list[Notification]:
    """Write messages to the outbox, in the transaction of the change they tell about."""
    now = clock.now()
    written = [
        Notification(id=ObjectId(), user=user, subject=subject, kind=kind, version=version, channel=channel, due_at=now)
        for channel in channels
        if channel is Channel.SMS or outlet().email is not None
    ]
    for notification in written:
        notification.insert(session)
    return written


def take_back(notifications: Sequence[Notification]) -> None:
    """Remove messages whose reason came to nothing."""
    Notification.objects(id__in=[notification.id for notification in notifications]).delete()


def hand_over(notifications: Sequence[Notification]) -> None:
    """Ask for the sending, after the commit.

    Raises:
        jobs.JobsUnavailable: the messages stay in the outbox for the sweep.
    """
    for notification in notifications:
        jobs.enqueue(_JOB_OF[notification.channel], str(notification.id))


def hand_over_or_leave(notifications: Sequence[Notification]) -> None:
    """As hand_over, but a broker that is away is the sweep's business, not the caller's."""
    try:
        hand_over(notifications)
    except jobs.JobsUnavailable:
        log.warning("messages_left_to_sweep", count=len(notifications))


def send(notification_id: ObjectId) -> State | None:
    """Send one message if it is still waiting and still true; tells what became of it."""
    now = clock.now()
    notification = Notification.claim(notification_id, now=now, lease=outlet().lease)
    if notification is None:
        return None
    if rules.is_worn_out(notification.attempts):
        return _give_up(notification, "no attempt came to an end")
    message = outlet().composers[notification.kind](notification)
    if message is None:
        notification.settle(State.DROPPED, now=now)
        return State.DROPPED
    try:
        _through_gateway(message, notification.kind)
    except DeliveryFailed as failure:
        return _put_off(notification, failure)
    notification.settle(State.SENT, now=clock.now())
    log.info("message_sent", notification_id=str(notification.id), kind=notification.kind)
    return State.SENT


def sweep() -> int:
    """Ask again for the sending of what is due; returns how many.

    What an earlier sweep asked for is left to its job for a while, or a long queue would get longer.
    """
    now = clock.now()
    found = list(Notification.left_behind(now - _SWEEP_GRACE, swept_before=now - _SWEEP_AGAIN).limit(_SWEEP_LIMIT))
    hand_over(found)
    Notification.objects(id__in=[one.id for one in found]).update(set__swept_at=now)
    return len(found)


def _through_gateway(message: Sms | Email, kind: str) -> None:
    if isinstance(message, Sms):
        outlet().sms.send(message.to, message.text, kind=kind)
        return
    gateway = outlet().email
    if gateway is None:
        raise DeliveryFailed("there is no way out for e-mail", permanent=True)
    gateway.send(message, kind=kind)


def _put_off(notification: Notification, failure: DeliveryFailed) -> State:
    now, reason = clock.now(), str(failure)
    if rules.is_given_up(notification.attempts, permanent=failure.permanent):
        return _give_up(notification, reason)
    notification.postpone(now + rules.wait_before(notification.attempts), now=now, failure=reason)
    log.warning("message_put_off", notification_id=str(notification.id), reason=reason)
    return State.WAITING


def _give_up(notification: Notification, reason: str) -> State:
    notification.settle(State.FAILED, now=clock.now(), failure=reason)
    log.error("message_given_up", notification_id=str(notification.id), reason=reason)
    return State.FAILED
