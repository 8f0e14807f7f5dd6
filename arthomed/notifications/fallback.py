"""Send by another channel what was not delivered."""

import structlog

from arthomed.core import clock
from arthomed.notifications import delivery, rules, service
from arthomed.notifications.models import Notification

log = structlog.get_logger()

_BATCH_SIZE = 500


def send_fallbacks() -> int:
    """Create fallbacks for messages that failed, or have no delivery receipt in time; returns how many were due.

    Each message gets at most one fallback, also when runs overlap. The next run completes an interrupted one.
    """
    due = list(Notification.due_for_fallback(clock.now()).limit(_BATCH_SIZE))
    for notification in due:
        _send_fallback(notification)
    return len(due)


def _send_fallback(notification: Notification) -> None:
    channel, now = notification.fallback, clock.now()
    is_available = channel is not None and delivery.is_available(channel, notification.kind)
    if is_available and rules.is_useful(notification.useful_until, now):
        fallback = Notification.from_topic(notification.topic, channel, is_fallback=True, due_at=now - rules.CLOCK_SKEW)
        if fallback.insert_if_new():
            service.enqueue_or_leave_to_sweeper(service.sending_jobs([fallback]))
            log.warning("message_fallback_created", notification_id=str(notification.id), fallback=str(fallback.id))
    notification.clear_fallback()
