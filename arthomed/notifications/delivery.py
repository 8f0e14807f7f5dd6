"""Delivery of one message: the renderer of its kind, and the gateway of its channel."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from arthomed.core import clock
from arthomed.core.installed import Installed
from arthomed.notifications import rules
from arthomed.notifications.gateways import (
    Attempt,
    DeliveryFailed,
    DeviceUnregistered,
    Email,
    EmailGateway,
    Push,
    PushGateway,
    Receipt,
    ReceiptReader,
    Sms,
    SmsGateway,
)
from arthomed.notifications.models import Channel, Notification

log = structlog.get_logger()

Renderer = Callable[[Notification], Sms | Email | None]
"""Loads the subject of a message and renders the text; None when the message is outdated."""

_TITLE = "Arthomed"


@dataclass(frozen=True, slots=True)
class PushConfig:
    """The push gateway, and how to find and delete push tokens."""

    gateway: PushGateway
    tokens_of: Callable[[ObjectId], list[str]]
    users_with_devices: Callable[[Collection[ObjectId]], set[ObjectId]]
    forget_token: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """The gateways, the renderer of each kind, and the times that govern delivery.

    A worker holds a message for `lease`. `receipts` is None where the carrier can't reach us; otherwise the fallback
    takes over after `receipt_wait` without a delivery receipt.
    """

    sms: SmsGateway
    email: EmailGateway | None
    renderers: Mapping[str, Renderer]
    lease: timedelta
    push: PushConfig | None = None
    receipts: ReceiptReader | None = None
    receipt_wait: timedelta = timedelta(minutes=10)
    quiet_hours: rules.QuietHours | None = None


_config = Installed[DeliveryConfig]("delivery configuration")
configure, config = _config.install, _config.get


def receipt_wait() -> timedelta | None:
    """How long to wait for a receipt; None where no receipts arrive."""
    return config().receipt_wait if config().receipts else None


def is_available(channel: Channel, kind: str) -> bool:
    """Whether the channel has a gateway and is allowed for this kind of message."""
    gateway = {Channel.SMS: config().sms, Channel.EMAIL: config().email, Channel.PUSH: config().push}[channel]
    return gateway is not None and rules.is_channel_allowed(channel, kind)


def deliver(notification: Notification, message: Sms | Email) -> Receipt | None:
    """Pass a rendered message to its gateway; returns the first receipt, where the gateway gives one.

    Raises:
        DeliveryFailed: the gateway did not accept it.
    """
    if isinstance(message, Email):
        _send_email(message, notification.kind)
        return None
    if notification.channel is Channel.PUSH:
        _send_push(notification, message.text)
        return None
    attempt, ttl = Attempt(str(notification.id), notification.attempts), _ttl(notification)
    receipt = config().sms.send(message.to, message.text, kind=notification.kind, attempt=attempt, ttl=ttl)
    log.info("sms_accepted", notification_id=attempt.message, template=message.template.id, segments=message.segments)
    return receipt


def _ttl(notification: Notification) -> timedelta | None:
    until: datetime | None = notification.useful_until
    return until - clock.now() if until else None


def _send_email(message: Email, kind: str) -> None:
    gateway = config().email
    if gateway is None:
        raise DeliveryFailed("no e-mail gateway is configured", permanent=True)
    gateway.send(message, kind=kind)


def _send_push(notification: Notification, text: str) -> None:
    """Send to all devices of a user; succeed when one accepts it, because a retry would repeat the push on that one."""
    push, user = config().push, notification.user
    tokens = push.tokens_of(user) if push and user else []
    pushes = [Push(token, _TITLE, text, str(notification.id), _ttl(notification)) for token in tokens]
    failures = [failure for one in pushes if (failure := _push_to_device(one, notification.kind))]
    if len(failures) < len(tokens):
        return
    temporary = [failure for failure in failures if not failure.permanent]
    raise next(iter([*temporary, *failures]), DeviceUnregistered())


def _push_to_device(message: Push, kind: str) -> DeliveryFailed | None:
    """Send to one device, and delete its token when the gateway reports it as unregistered."""
    push = config().push
    if push is None:
        return DeliveryFailed("no push gateway is configured", permanent=True)
    try:
        push.gateway.send(message, kind=kind)
    except DeviceUnregistered as failure:
        push.forget_token(message.to)
        return failure
    except DeliveryFailed as failure:
        return failure
    return None
