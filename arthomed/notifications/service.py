"""The outbox: add messages, send them, enqueue unsent ones again; admins list messages and resend failed ones."""

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.core import clock, jobs, metrics
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.paging import Page, PageRequest
from arthomed.notifications import delivery, rules
from arthomed.notifications.gateways import Attempt, DeliveryFailed, DeviceUnregistered, Receipt
from arthomed.notifications.models import EXPIRED_REASON, Channel, Notification, State, Topic

log = structlog.get_logger()

_JOB_OF = {Channel.SMS: jobs.Job.SEND_SMS, Channel.EMAIL: jobs.Job.SEND_EMAIL, Channel.PUSH: jobs.Job.SEND_PUSH}
_SWEEP_GRACE = timedelta(seconds=5)  # time for the job that was enqueued after the commit
_SWEEP_INTERVAL = timedelta(minutes=1)
_SWEEP_LIMIT = 500


def build_notifications(
    topic: Topic, channels: Iterable[Channel], fallback: Channel | None = None
) -> list[Notification]:
    """Build one message for each available channel, to be added to the outbox.

    The fallback takes over when the SMS is not delivered.
    """
    due_at = clock.now() - rules.CLOCK_SKEW
    return [
        Notification.from_topic(topic, channel, due_at=due_at, fallback=fallback if channel is Channel.SMS else None)
        for channel in channels
        if delivery.is_available(channel, topic.kind)
    ]


def users_with_devices(users: Collection[ObjectId]) -> set[ObjectId]:
    """The users that have a device with a push token, found in one query; empty where push is not configured."""
    push = delivery.config().push
    return push.users_with_devices(users) if push and users else set()


def add_to_outbox(notifications: Sequence[Notification], session: ClientSession | None = None) -> None:
    """Store messages, in the transaction of the change that they are about."""
    Notification.insert_all(notifications, session)


def sending_jobs(notifications: Sequence[Notification]) -> list[jobs.JobRequest]:
    """The jobs that send messages."""
    return [jobs.JobRequest(_sending_job(one), (str(one.id),)) for one in notifications]


def _sending_job(notification: Notification) -> jobs.Job:
    """Codes have a queue of their own, so that they do not wait behind other messages."""
    return jobs.Job.SEND_CODE if rules.is_secret(notification.kind) else _JOB_OF[notification.channel]


def enqueue_or_leave_to_sweeper(requests: Sequence[jobs.JobRequest]) -> None:
    """Enqueue jobs after the commit; when the broker is unavailable, the sweeper enqueues them later."""
    try:
        jobs.enqueue_all(requests)
    except jobs.JobsUnavailable:
        log.warning("messages_left_to_sweeper", count=len(requests))


def send(notification_id: ObjectId) -> State | None:
    """Send one message if it is waiting and useful; returns its new state, None if another worker has or had it."""
    notification = Notification.claim(notification_id, now=clock.now(), lease=delivery.config().lease)
    if notification is None:
        return None
    state = _send_claimed(notification)
    metrics.MESSAGES.add(notification.channel, state)
    return state


def _send_claimed(notification: Notification) -> State:
    now = clock.now()
    if rules.has_too_many_attempts(notification.attempts_since_reset):
        return _give_up(notification, "no attempt was completed")
    if not rules.is_useful(notification.useful_until, now):
        return _finish(notification, State.EXPIRED, EXPIRED_REASON)
    morning = rules.postponed_until(
        notification.event_at,
        notification.useful_until,
        quiet=delivery.config().quiet_hours,
        now=now,
        jitter=_random_jitter(),
    )
    if morning is not None:
        notification.postpone_until_morning(morning, now=now)
        return State.WAITING
    return _attempt(notification)


def sweep() -> int:
    """Enqueue the overdue messages of the outbox; returns how many.

    A message that the sweeper enqueued a moment ago is left to its job, or a long queue would grow longer.
    """
    now = clock.now()
    skewed = {"written_after": now + rules.MAX_CLOCK_SKEW, "due_after": now + rules.MAX_RETRY_DELAY}
    if reset := Notification.reset_skewed_due_times(now, **skewed):
        log.warning("messages_of_skewed_clock_reset", count=reset)
    for channel in Channel:
        if expired := Notification.expire(channel, now):
            log.error("messages_expired", count=expired, channel=str(channel))
            metrics.MESSAGES.add(channel, State.EXPIRED, by=expired)
    overdue = Notification.overdue(now, due_before=now - _SWEEP_GRACE, swept_before=now - _SWEEP_INTERVAL)
    found = list(overdue.limit(_SWEEP_LIMIT))
    jobs.enqueue_all(sending_jobs(found))
    Notification.objects(id__in=[one.id for one in found]).update(set__swept_at=now)
    return len(found)


def list_messages(actor: Actor, paging: PageRequest, **filters: str) -> Page[Notification]:
    """List messages by `state`, `channel` and `kind`, the newest first; the texts are not stored."""
    page: Page[Notification] = Notification.objects(**filters).order_by("-id").page(paging)
    users = {message.user for message in page.items if message.user}
    audit.record_search(actor, Kind.MESSAGE, paging.filters, found=page.pagination.total)
    audit.record_read(actor, Kind.MESSAGE, [message.id for message in page.items], users)
    return page


def resend(actor: Actor, message_id: ObjectId) -> Notification:
    """Send a failed message again; of concurrent requests one succeeds.

    Raises:
        NotFound: the message does not exist.
        NotResendable: it did not fail, is no longer useful, or contains a code, which only its owner can request.
    """
    if not transaction(lambda session: _reset_failed(actor, message_id, session)):
        Notification.objects.require(message_id)
        raise rules.NotResendable
    message: Notification = Notification.objects.require(message_id)
    enqueue_or_leave_to_sweeper(sending_jobs([message]))
    log.info("message_resent", notification_id=str(message_id))
    return message


def _reset_failed(actor: Actor, message_id: ObjectId, session: ClientSession) -> bool:
    now = clock.now()
    before = Notification.reset_failed(message_id, now=now, due_at=now - rules.CLOCK_SKEW, session=session)
    if before is None:
        return False
    change = {"field": "state", "from": before.state, "to": State.WAITING}
    audit.record_change(
        actor, Action.CHANGE, Kind.MESSAGE, message_id, subject=before.user, session=session, changes=[change]
    )
    return True


def _attempt(notification: Notification) -> State:
    """Render the message and pass it to its gateway."""
    if notification.is_fallback and Notification.is_original_delivered(notification):
        return _finish(notification, State.DROPPED)
    message = delivery.config().renderers[notification.kind](_to_render(notification))
    if message is None:
        return _finish(notification, State.DROPPED)
    try:
        receipt = delivery.deliver(notification, message)
    except DeviceUnregistered as failure:
        return _finish(notification, State.DROPPED, str(failure))
    except DeliveryFailed as failure:
        return _retry_later(notification, failure)
    return _record_sent(notification, receipt)


def _to_render(notification: Notification) -> Notification:
    """A push has the text of the SMS."""
    if notification.channel is not Channel.PUSH:
        return notification
    as_sms: Notification = Notification.from_raw({**notification.to_mongo(), "channel": Channel.SMS})
    return as_sms


def _record_sent(notification: Notification, receipt: Receipt | None) -> State:
    now, wait = clock.now(), delivery.receipt_wait()
    if receipt is not None:
        attempt = Attempt(str(notification.id), notification.attempts)
        Notification.record_receipt(attempt, receipt, now=now, wait=wait)
    else:
        notification.finish(State.SENT, now=now, fallback_at=now + wait if wait else None)
    log.info("message_sent", notification_id=str(notification.id), kind=notification.kind)
    return State.SENT


def _retry_later(notification: Notification, failure: DeliveryFailed) -> State:
    now, reason, failures = clock.now(), str(failure), notification.attempts_since_reset
    if rules.should_give_up(failures, permanent=failure.permanent):
        return _give_up(notification, reason)
    retry_at = now + rules.retry_delay(failures, jitter=_random_jitter(), retry_after=failure.retry_after)
    if not rules.is_useful(notification.useful_until, retry_at):
        return _finish(notification, State.EXPIRED, reason)
    fallback_at = now + delivery.config().receipt_wait
    notification.schedule_retry(retry_at, now=now, failure=reason, fallback_at=fallback_at)
    log.warning("message_retry_scheduled", notification_id=str(notification.id), reason=reason)
    return State.WAITING


def _give_up(notification: Notification, reason: str) -> State:
    now = clock.now()
    notification.finish(State.FAILED, now=now, failure=reason, fallback_at=now)
    log.error("message_failed", notification_id=str(notification.id), reason=reason)
    return State.FAILED


def _finish(notification: Notification, state: State, reason: str | None = None) -> State:
    now = clock.now()
    notification.finish(state, now=now, failure=reason, fallback_at=now if state is State.EXPIRED else None)
    if state is State.EXPIRED:
        log.error("messages_expired", count=1, notification_id=str(notification.id), reason=reason)
    return state


def _random_jitter() -> float:
    return secrets.randbelow(1000) / 999
