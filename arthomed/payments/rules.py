"""What may be paid, refunded and corrected, what the records add up to, and the numbers of receipts; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol, TypeVar

from bson import ObjectId

from arthomed.appointments.rules import Status, TooLate
from arthomed.core.errors import DuplicateValue, ValidationFailed


class Kind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"
    CORRECTION = "correction"


class Method(StrEnum):
    CASH = "cash"
    CARD = "card"
    UPI = "upi"
    OTHER = "other"


class Entry(Protocol):
    """A record of money in whole rupees: positive when the clinic received it, negative when it paid it out.

    A correction has the opposite amount of the entry that it names (`corrects`).
    """

    @property
    def id(self) -> ObjectId: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def method(self) -> Method: ...
    @property
    def amount(self) -> int: ...
    @property
    def corrects(self) -> ObjectId | None: ...
    @property
    def received_by(self) -> ObjectId: ...


E = TypeVar("E", bound=Entry)


def paid_amount(entries: Iterable[Entry]) -> int:
    """What the clinic holds: all that it received and did not pay out, without what was corrected."""
    return sum(entry.amount for entry in entries)


def refunded_amount(entries: Iterable[Entry]) -> int:
    """What the clinic paid out; a positive correction is one of a refund."""
    return -sum(
        entry.amount
        for entry in entries
        if entry.kind is Kind.REFUND or (entry.kind is Kind.CORRECTION and entry.amount > 0)
    )


_NOTHING_TO_PAY = frozenset({Status.CANCELLED, Status.REJECTED})


def open_amount(status: Status, *, fee: int, paid: int) -> int:
    """What is still to be paid of a fee."""
    return 0 if status in _NOTHING_TO_PAY else max(fee - paid, 0)


def ensure_payable(status: Status, *, fee: int, paid: int, amount: int) -> None:
    """An appointment takes payments up to what is open of its fee.

    Raises:
        TooLate: it is cancelled or rejected.
        ValidationFailed: the amount is more than what is open.
    """
    if status in _NOTHING_TO_PAY:
        raise TooLate(f"This appointment is {status}, so it takes no payment")
    if amount > (due := open_amount(status, fee=fee, paid=paid)):
        message = f"At most {due} rupees are open." if due else "Nothing is open; the fee is paid."
        raise ValidationFailed.of("amount", message, amount)


def ensure_refundable(*, paid: int, amount: int) -> None:
    """At most what was paid is refunded.

    Raises:
        ValidationFailed
    """
    if amount > paid:
        message = f"At most {paid} rupees can be refunded." if paid else "Nothing was paid, so nothing can be refunded."
        raise ValidationFailed.of("amount", message, amount)


def ensure_correctable(corrected: Entry, entries: Sequence[Entry]) -> None:
    """A payment or refund is corrected once; a payment that was refunded, after the refund.

    Raises:
        DuplicateValue: it is corrected already.
        ValidationFailed: it is a correction, or less would be left than was refunded.
    """
    if corrected.kind is Kind.CORRECTION:
        raise ValidationFailed.of("id", "A correction cannot be corrected; record the payment or refund again.")
    if any(entry.corrects == corrected.id for entry in entries):
        raise DuplicateValue("This entry is corrected already")
    if paid_amount(entries) < corrected.amount:
        raise ValidationFailed.of("id", "Part of this payment was refunded; correct the refund first.")


def is_correctable(entry: Entry, entries: Sequence[Entry]) -> bool:
    try:
        ensure_correctable(entry, entries)
    except (DuplicateValue, ValidationFailed):
        return False
    return True


_FIRST_MONTH = 4
_CENTURY = 100


def financial_year(day: date) -> str:
    """The Indian financial year of a day, April to March, such as `2026-27`."""
    first = day.year if day.month >= _FIRST_MONTH else day.year - 1
    return f"{first}-{(first + 1) % _CENTURY:02}"


def receipt_number(year: str, number: int) -> str:
    return f"{year}/{number:06}"


def missing_numbers(numbers: Sequence[int], last: int) -> Sequence[int]:
    """Those of 1 to `last` that were not given, and those that were given although they are beyond."""
    return sorted(set(numbers) ^ set(range(1, last + 1)))


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of signed amounts by kind: refunds are negative."""

    count: int
    payments: int
    refunds: int
    corrections: int

    @property
    def total(self) -> int:
        return self.payments + self.refunds + self.corrections


@dataclass(frozen=True, slots=True)
class MethodTotals:
    method: Method
    totals: Totals


def totals(entries: Sequence[Entry]) -> Totals:
    sums = dict.fromkeys(Kind, 0)
    for entry in entries:
        sums[entry.kind] += entry.amount
    return Totals(len(entries), sums[Kind.PAYMENT], sums[Kind.REFUND], sums[Kind.CORRECTION])


def by_method(entries: Sequence[Entry]) -> Sequence[MethodTotals]:
    """The totals of each method that occurs, in the order of the methods."""
    groups = {method: [entry for entry in entries if entry.method is method] for method in Method}
    return [MethodTotals(method, totals(found)) for method, found in groups.items() if found]


def by_receiver(entries: Iterable[E]) -> Mapping[ObjectId, Sequence[E]]:
    """The entries of each member of the staff who received or paid out the money."""
    groups: dict[ObjectId, list[E]] = {}
    for entry in entries:
        groups.setdefault(entry.received_by, []).append(entry)
    return groups
