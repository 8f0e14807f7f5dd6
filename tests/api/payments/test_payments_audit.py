"""`flask audit` finds missing receipts and appointments that differ from their payments."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from tests import factories
from tests.api.payments.desk import Desk, violations
from tests.factories import Records
from tests.migrations import records

RECEIPT = "2026-27/00000"


def set_payment(database: Records, **fields: Any) -> None:
    database.appointments.update_many({}, {"$set": {f"payment.{name}": value for name, value in fields.items()}})


DAMAGES: dict[str, tuple[Callable[[Records], object], list[str]]] = {
    "a receipt was deleted": (
        lambda database: database.payments.delete_one({"amount": 100}),
        [f"receipt {RECEIPT}1", "appointment "],
    ),
    "a number was taken without a receipt": (
        lambda database: database.counters.update_one({"_id": "receipts:2026-27"}, {"$inc": {"value": 1}}),
        [f"receipt {RECEIPT}3"],
    ),
    "the counter was set back": (
        lambda database: database.counters.update_one({"_id": "receipts:2026-27"}, {"$inc": {"value": -1}}),
        [f"receipt {RECEIPT}2"],
    ),
    "a year has no counter": (
        lambda database: database.counters.delete_one({}),
        [f"receipt {RECEIPT}1", f"receipt {RECEIPT}2"],
    ),
    "another amount is shown": (lambda database: set_payment(database, paidAmount=500), ["appointment "]),
    "another status is shown": (lambda database: set_payment(database, status="paid"), ["appointment "]),
    "nothing is shown": (
        lambda database: database.appointments.update_many({}, {"$unset": {"payment.paidAmount": ""}}),
        ["payment ", "payment "],
    ),
    "an entry belongs to no appointment": (
        lambda database: database.payments.update_one({"amount": 100}, {"$set": {"appointment": ObjectId()}}),
        ["appointment ", "payment "],
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_audit_finds_damage(desk: Desk, database: Records, damage: str) -> None:
    desk.paid(100)
    desk.paid(200)
    assert violations() == []
    do, lines = DAMAGES[damage]

    do(database)

    assert [line.startswith(start) for line, start in zip(violations(), lines, strict=True)] == [True] * len(lines)


def test_command_lists_what_is_wrong_with_payments(desk: Desk, database: Records) -> None:
    desk.paid(100)
    database.payments.insert_one(records.payment(receiptNumber=f"{RECEIPT}7", appointment=desk.appointment.id))

    result = desk.app.test_cli_runner().invoke(args=["audit"])

    assert result.exit_code == 1
    assert f"receipt {RECEIPT}7: missing, or beyond the counter" in result.output


def test_appointments_that_were_marked_as_paid_before_there_were_records_are_no_violation(
    desk: Desk, database: Records
) -> None:
    set_payment(database, status="paid")

    assert desk.payment_info() == {"amount": factories.FEE, "status": "paid", "paidAmount": factories.FEE}
    assert violations() == []
