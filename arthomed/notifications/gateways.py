"""The doors to the outside that messages leave by; infra implements them."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sms:
    """`to` is a ten-digit Indian mobile number."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class Email:
    to: str
    subject: str
    text: str


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
