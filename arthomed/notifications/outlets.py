"""The ways out of this process: who words a message, and which gateway takes it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from bson import ObjectId

from arthomed.core import clock
from arthomed.notifications import rules
from arthomed.notifications.gateways import (
    Attempt,
    DeliveryFailed,
    DeviceGone,
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

Composer = Callable[[Notification], Sms | Email | None]
"""Looks again at what a message is about and words it; None when it need no longer be told."""

_TITLE = "Arthomed"


@dataclass(frozen=True, slots=True)
class PushOutlet:
    """The gateway of pushes, whose devices have which tokens, and who of several people has such a device."""

    gateway: PushGateway
    tokens_of: Callable[[ObjectId], list[str]]
    with_devices: Callable[[Collection[ObjectId]], set[ObjectId]]
    forget: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outlet:
    """The gateways of this process, who words which kind, and how long a worker holds a message.

    Where receipts come, `receipts` knows the genuine ones, and `receipt_wait` is how long they may take.
    """

    sms: SmsGateway
    email: EmailGateway | None
    composers: Mapping[str, Composer]
    lease: timedelta
    push: PushOutlet | None = None
    receipts: ReceiptReader | None = None
    receipt_wait: timedelta = timedelta(minutes=10)
    quiet: rules.Quiet | None = None


_outlet: Outlet | None = None


def use(outlet: Outlet) -> None:
    global _outlet  # noqa: PLW0603  one outlet a process, set where the parts are put together
    _outlet = outlet


def outlet() -> Outlet:
    if _outlet is None:
        message = "no outlet is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    return _outlet


def receipt_wait() -> timedelta | None:
    """How long a message may stay without a receipt; nothing where no receipts come."""
    return outlet().receipt_wait if outlet().receipts else None


def is_open(channel: Channel, kind: str) -> bool:
    """Whether there is that way for such a message."""
    gateway = {Channel.SMS: outlet().sms, Channel.EMAIL: outlet().email, Channel.PUSH: outlet().push}[channel]
    return gateway is not None and rules.may_go_by(channel, kind)


def _tokens_of(user: ObjectId | None) -> list[str]:
    push = outlet().push
    return push.tokens_of(user) if push and user else []


def hand_to_gateway(notification: Notification, message: Sms | Email) -> Receipt | None:
    """Raises DeliveryFailed; what comes back tells how far it is, where the gateway knows."""
    if isinstance(message, Email):
        _by_email(message, notification.kind)
        return None
    if notification.channel is Channel.PUSH:
        _push(notification, message.text)
        return None
    attempt, useful_for = Attempt(str(notification.id), notification.attempts), _useful_for(notification)
    receipt = outlet().sms.send(
        message.to, message.text, kind=notification.kind, attempt=attempt, useful_for=useful_for
    )
    log.info("sms_taken", notification_id=attempt.message, template=message.template.id, segments=message.segments)
    return receipt


def _useful_for(notification: Notification) -> timedelta | None:
    until: datetime | None = notification.useful_until
    return until - clock.now() if until else None


def _by_email(message: Email, kind: str) -> None:
    gateway = outlet().email
    if gateway is None:
        raise DeliveryFailed("there is no way out for e-mail", permanent=True)
    gateway.send(message, kind=kind)


def _push(notification: Notification, text: str) -> None:
    """To all of a person's devices; one that takes it is enough, or those that did would be told again."""
    tokens = _tokens_of(notification.user)
    pushes = [Push(token, _TITLE, text, str(notification.id), _useful_for(notification)) for token in tokens]
    failures = [failure for push in pushes if (failure := _push_to(push, notification.kind))]
    if len(failures) < len(tokens):
        return
    passing = [failure for failure in failures if not failure.permanent]
    raise next(iter([*passing, *failures]), DeviceGone())


def _push_to(message: Push, kind: str) -> DeliveryFailed | None:
    """To one device, which is forgotten when it is gone."""
    push = outlet().push
    if push is None:
        return DeliveryFailed("there is no way out for pushes", permanent=True)
    try:
        push.gateway.send(message, kind=kind)
    except DeviceGone as failure:
        push.forget(message.to)
        return failure
    except DeliveryFailed as failure:
        return failure
    return None
