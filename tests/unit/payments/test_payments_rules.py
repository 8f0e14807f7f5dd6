"""What may be recorded, what records add up to, the numbers of receipts and the totals of a report."""

from dataclasses import dataclass, field
from datetime import date

import pytest
from bson import ObjectId

from arthomed.appointments.rules import Status, TooLate
from arthomed.core.errors import DuplicateValue, ValidationFailed
from arthomed.payments import rules
from arthomed.payments.amounts import grouped, in_words
from arthomed.payments.rules import Kind, Method

DESK, OTHER_DESK = ObjectId(), ObjectId()


@dataclass(frozen=True)
class FakeEntry:
    kind: Kind
    amount: int
    method: Method = Method.CASH
    corrects: ObjectId | None = None
    received_by: ObjectId = DESK
    id: ObjectId = field(default_factory=ObjectId)


def payment(amount: int = 500, method: Method = Method.CASH, receiver: ObjectId = DESK) -> FakeEntry:
    return FakeEntry(Kind.PAYMENT, amount, method, received_by=receiver)


def refund(amount: int) -> FakeEntry:
    return FakeEntry(Kind.REFUND, -amount)


def correction(of: FakeEntry) -> FakeEntry:
    return FakeEntry(Kind.CORRECTION, -of.amount, corrects=of.id)


class TestSums:
    def test_corrections_cancel_what_they_correct(self) -> None:
        wrong, paid_out = payment(300), refund(200)
        entries = [payment(), wrong, correction(wrong), paid_out, correction(paid_out), refund(100)]

        assert (rules.paid_amount(entries), rules.refunded_amount(entries)) == (400, 100)

    def test_corrected_payment_is_no_refund(self) -> None:
        wrong = payment()

        assert rules.refunded_amount([wrong, correction(wrong)]) == 0


class TestPayments:
    @pytest.mark.parametrize("amount", [1, 300])
    def test_up_to_the_open_amount_is_accepted(self, amount: int) -> None:
        rules.ensure_payable(Status.CONFIRMED, fee=500, paid=200, amount=amount)

    @pytest.mark.parametrize(
        ("paid", "message"), [(200, "At most 300 rupees are open."), (500, "Nothing is open; the fee is paid.")]
    )
    def test_more_than_is_open_is_refused(self, paid: int, message: str) -> None:
        with pytest.raises(ValidationFailed) as refused:
            rules.ensure_payable(Status.CONFIRMED, fee=500, paid=paid, amount=301)

        assert [(one.field, one.message) for one in refused.value.fields] == [("amount", message)]

    def test_nothing_is_open_when_more_than_the_fee_is_paid(self) -> None:
        with pytest.raises(ValidationFailed):
            rules.ensure_payable(Status.CONFIRMED, fee=300, paid=500, amount=1)

    @pytest.mark.parametrize("status", Status)
    def test_cancelled_and_rejected_appointments_take_no_payment(self, status: Status) -> None:
        if status in (Status.CANCELLED, Status.REJECTED):
            with pytest.raises(TooLate):
                rules.ensure_payable(status, fee=500, paid=0, amount=500)
        else:
            rules.ensure_payable(status, fee=500, paid=0, amount=500)


class TestRefunds:
    def test_what_was_paid_can_be_refunded(self) -> None:
        rules.ensure_refundable(paid=500, amount=500)

    @pytest.mark.parametrize("paid", [0, 499])
    def test_more_than_was_paid_is_refused(self, paid: int) -> None:
        with pytest.raises(ValidationFailed):
            rules.ensure_refundable(paid=paid, amount=500)


class TestCorrections:
    def test_payment_and_refund_can_be_corrected(self) -> None:
        paid, paid_out = payment(), refund(200)

        rules.ensure_correctable(paid, [paid])
        rules.ensure_correctable(paid_out, [paid, paid_out])

    def test_entry_is_corrected_once(self) -> None:
        wrong = payment()
        with pytest.raises(DuplicateValue):
            rules.ensure_correctable(wrong, [wrong, correction(wrong), payment()])

    def test_correction_is_not_corrected(self) -> None:
        wrong = payment()
        corrected = correction(wrong)
        with pytest.raises(ValidationFailed, match="Validation failed"):
            rules.ensure_correctable(corrected, [wrong, corrected])

    def test_refunded_payment_is_corrected_after_its_refund_only(self) -> None:
        paid, paid_out = payment(), refund(200)
        with pytest.raises(ValidationFailed):
            rules.ensure_correctable(paid, [paid, paid_out])

        rules.ensure_correctable(paid, [paid, paid_out, correction(paid_out)])


class TestReceiptNumbers:
    @pytest.mark.parametrize(
        ("day", "year"),
        [
            (date(2026, 12, 1), "2026-27"),
            (date(2027, 3, 31), "2026-27"),
            (date(2027, 4, 1), "2027-28"),
            (date(2099, 4, 1), "2099-00"),
        ],
        ids=str,
    )
    def test_financial_year_begins_in_april(self, day: date, year: str) -> None:
        assert rules.financial_year(day) == year

    def test_numbers_have_six_digits_or_more(self) -> None:
        numbers = [rules.receipt_number("2026-27", number) for number in (1, 123, 1234567)]

        assert numbers == ["2026-27/000001", "2026-27/000123", "2026-27/1234567"]

    def test_gaps_and_numbers_beyond_the_counter_are_found(self) -> None:
        assert rules.missing_numbers([1, 2, 4, 7], 5) == [3, 5, 7]
        assert rules.missing_numbers([], 0) == []


class TestTotals:
    def test_totals_are_by_kind_and_signed(self) -> None:
        wrong = payment(300)
        found = rules.totals([payment(), wrong, correction(wrong), refund(200)])

        assert (found.count, found.payments, found.refunds, found.corrections, found.total) == (4, 800, -200, -300, 300)

    def test_methods_come_in_their_order_and_only_if_they_occur(self) -> None:
        found = rules.by_method([payment(method=Method.UPI), payment(100), payment(200)])

        assert [(one.method, one.totals.total) for one in found] == [("cash", 300), ("upi", 500)]

    def test_entries_are_grouped_by_the_person_who_received_the_money(self) -> None:
        entries = [payment(1), payment(2, receiver=OTHER_DESK), payment(3)]

        assert rules.by_receiver(entries) == {DESK: [entries[0], entries[2]], OTHER_DESK: [entries[1]]}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (7, "seven"),
        (20, "twenty"),
        (99, "ninety nine"),
        (500, "five hundred"),
        (1_250, "one thousand two hundred fifty"),
        (100_000, "one lakh"),
        (120_513, "one lakh twenty thousand five hundred thirteen"),
        (10_000_001, "one crore one"),
    ],
)
def test_amounts_in_words_use_lakh_and_crore(number: int, words: str) -> None:
    assert in_words(number) == words


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1_000, "1,000"), (99_005, "99,005"), (120_513, "1,20,513"), (10_000_000, "1,00,00,000")],
)
def test_amounts_have_indian_separators(number: int, text: str) -> None:
    assert grouped(number) == text
