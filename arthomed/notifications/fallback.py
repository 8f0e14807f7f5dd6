"""Another way for what did not arrive."""

import structlog
from bson import ObjectId

from arthomed.core import clock
from arthomed.notifications import outlets, rules, service
from arthomed.notifications.models import Notification

log = structlog.get_logger()

_AT_ONCE = 500
_NEWS = ("user", "subject", "kind", "version", "useful_until", "about")


def take_over() -> int:
    """Tell by the other channel what failed, or was not receipted in time; returns how many messages that were.

    Once for each, however often it is asked for; what a run that was cut off left is done by the next.
    """
    found = list(Notification.unanswered(clock.now()).limit(_AT_ONCE))
    for notification in found:
        _take_over(notification)
    return len(found)


def _take_over(notification: Notification) -> None:
    channel, now = notification.fallback, clock.now()
    is_open = channel is not None and outlets.is_open(channel, notification.kind)
    if is_open and rules.is_of_use(notification.useful_until, now):
        news = {name: getattr(notification, name) for name in _NEWS}
        due_at = now - rules.CLOCKS_APART
        stand_in = Notification(id=ObjectId(), channel=channel, stands_in=True, due_at=due_at, **news)
        if stand_in.insert_once():
            service.hand_over_or_leave([stand_in])
            log.warning("message_fell_back", notification_id=str(notification.id), stand_in=str(stand_in.id))
    notification.forget_fallback()
