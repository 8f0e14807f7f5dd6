"""The doors to the outside that messages leave by; infra implements them."""

from dataclasses import dataclass
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


class DeliveryFailed(Exception):
    """A gateway did not take a message; `permanent` means that trying again is of no use."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.permanent = permanent


class SmsGateway(Protocol):
    def send(self, to: str, text: str, *, kind: str) -> None:
        """Hand one SMS over; raises DeliveryFailed."""


class EmailGateway(Protocol):
    def send(self, email: Email, *, kind: str) -> None:
        """Hand one e-mail over; raises DeliveryFailed."""
