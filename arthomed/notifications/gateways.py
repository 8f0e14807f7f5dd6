"""The doors to the outside that messages leave by; infra implements them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from arthomed.notifications.lengths import Size, measure


@dataclass(frozen=True, slots=True)
class Template:
    """What India's carriers ask for with each SMS (TRAI's TCCCPR 2018): as whom, under which header, which template."""

    entity_id: str
    header: str
    id: str


@dataclass(frozen=True, slots=True)
class Sms:
    """`to` is a ten-digit Indian mobile number; `text` is that of its template, filled in."""

    to: str
    text: str
    template: Template

    @property
    def size(self) -> Size:
        return measure(self.text)

    @property
    def segments(self) -> int:
        """How many SMS it is for the carrier, and its bill."""
        return self.size.segments


@dataclass(frozen=True, slots=True)
class Invitation:
    """An iCalendar object that goes with an e-mail (RFC 6047): REQUEST or CANCEL."""

    method: str
    content: str


@dataclass(frozen=True, slots=True)
class Email:
    """`reference` is the same whenever this very message is sent again."""

    to: str
    subject: str
    text: str
    reference: str
    html: str | None = None
    invitation: Invitation | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """`to` is the token of one device; of those with the same `reference` it shows one."""

    to: str
    title: str
    text: str
    reference: str
    useful_for: timedelta | None = None


class Arrival(StrEnum):
    """How far a message came, as its carrier tells, in the order in which they outrank each other."""

    QUEUED = "queued"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"

    @property
    def rank(self) -> int:
        return list(Arrival).index(self) + 1

    @property
    def is_final(self) -> bool:
        """Whether the carrier is done with the message, as far as it knows."""
        return self is Arrival.DELIVERED or self.is_failure

    @property
    def is_failure(self) -> bool:
        return self in (Arrival.UNDELIVERED, Arrival.FAILED)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the carrier says of a message, under its own name for it; `price` is its decimal text in `currency`."""

    sid: str
    arrival: Arrival
    error_code: int | None = None
    segments: int | None = None
    price: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which attempt, counted from 1, at which message; its receipts name it again."""

    message: str
    number: int


class DeliveryFailed(Exception):
    """A gateway did not take a message; `permanent` means that trying again is of no use.

    `retry_after` is how long the other side asks to be left alone.
    """

    def __init__(self, reason: str, *, permanent: bool, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after = retry_after


class DeviceGone(DeliveryFailed):
    """There is no such device any more."""

    def __init__(self) -> None:
        super().__init__("the device is gone", permanent=True)


class SmsGateway(Protocol):
    def send(
        self, to: str, text: str, *, kind: str, attempt: Attempt | None = None, useful_for: timedelta | None = None
    ) -> Receipt | None:
        """Hand one SMS over; raises DeliveryFailed. Receipts are asked for about a known attempt only."""


class EmailGateway(Protocol):
    def send(self, email: Email, *, kind: str) -> None:
        """Hand one e-mail over; raises DeliveryFailed."""


class PushGateway(Protocol):
    def send(self, push: Push, *, kind: str) -> None:
        """Hand one push over; raises DeliveryFailed, and DeviceGone when its token is of no more use."""


class ReceiptReader(Protocol):
    def is_genuine(self, path: str, form: Mapping[str, str], signature: str) -> bool:
        """Whether the carrier itself sent this form to this path, with its query."""

    def read(self, sid: str, status: str, error_code: int | None) -> Receipt | None:
        """What the carrier's words mean; None when they say nothing of how far a message came."""
