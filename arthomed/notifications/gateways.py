"""Messages, receipts and errors of the gateways (SMS, e-mail, push), and the protocols that infra implements."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from arthomed.notifications.lengths import measure


@dataclass(frozen=True, slots=True)
class DltTemplate:
    """A template in India's DLT registry, which carriers require for each SMS (TRAI's TCCCPR 2018)."""

    entity_id: str
    header: str
    id: str


@dataclass(frozen=True, slots=True)
class Sms:
    """`to` is a ten-digit Indian mobile number; `text` is the filled-in template."""

    to: str
    text: str
    template: DltTemplate

    @property
    def segments(self) -> int:
        """The number of SMS that the carrier sends and bills."""
        return measure(self.text).segments


@dataclass(frozen=True, slots=True)
class Invitation:
    """An iCalendar object attached to an e-mail (RFC 6047); `method` is REQUEST or CANCEL."""

    method: str
    content: str


@dataclass(frozen=True, slots=True)
class Email:
    """`reference` becomes the Message-ID, so it stays the same on each retry of one message."""

    to: str
    subject: str
    text: str
    reference: str
    html: str | None = None
    invitation: Invitation | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """`to` is the push token of one device, which shows one push per `reference`."""

    to: str
    title: str
    text: str
    reference: str
    ttl: timedelta | None = None


class DeliveryStatus(StrEnum):
    """The delivery status that the carrier reports, in ascending order of precedence."""

    QUEUED = "queued"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"

    @property
    def rank(self) -> int:
        return list(DeliveryStatus).index(self) + 1

    @property
    def is_final(self) -> bool:
        return self is DeliveryStatus.DELIVERED or self.is_failure

    @property
    def is_failure(self) -> bool:
        return self in (DeliveryStatus.UNDELIVERED, DeliveryStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A delivery receipt; `sid` is the carrier's message id, `price` a decimal number as text in `currency`."""

    sid: str
    status: DeliveryStatus
    error_code: int | None = None
    segments: int | None = None
    price: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a message, counted from 1; the URL for its receipts contains both."""

    message: str
    number: int


class DeliveryFailed(Exception):
    """A gateway did not accept a message; `permanent` means that a retry can't succeed.

    `retry_after` is the wait that the gateway demands before the next attempt.
    """

    def __init__(self, reason: str, *, permanent: bool, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after = retry_after


class DeviceUnregistered(DeliveryFailed):
    """The push token is no longer valid."""

    def __init__(self) -> None:
        super().__init__("the device is unregistered", permanent=True)


class SmsGateway(Protocol):
    def send(
        self, to: str, text: str, *, kind: str, attempt: Attempt | None = None, ttl: timedelta | None = None
    ) -> Receipt | None:
        """Send one SMS; raises DeliveryFailed. The gateway requests receipts only when it is given an attempt."""


class EmailGateway(Protocol):
    def send(self, email: Email, *, kind: str) -> None:
        """Send one e-mail; raises DeliveryFailed."""


class PushGateway(Protocol):
    def send(self, push: Push, *, kind: str) -> None:
        """Send one push; raises DeliveryFailed, and DeviceUnregistered when the token is no longer valid."""


class ReceiptReader(Protocol):
    def has_valid_signature(self, path: str, form: Mapping[str, str], signature: str) -> bool:
        """Whether the carrier signed this form and this path with its query."""

    def parse(self, sid: str, status: str, error_code: int | None) -> Receipt | None:
        """Translate the carrier's status; None for a status that does not describe delivery."""
