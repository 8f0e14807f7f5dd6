"""Idempotency keys, and receipt numbers of payments at the same moment."""

import pytest
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from tests import factories
from tests.api.payments.desk import FEE, TUESDAY, Desk, violations
from tests.factories import Records, data_of, error_of

KEY = "a-key-of-the-desk"
PARALLEL = 20


def test_repeated_request_with_its_key_returns_the_same_payment(desk: Desk) -> None:
    first, again = (data_of(desk.pay(key=KEY), 201) for _ in range(2))

    assert again == first
    assert len(desk.payments()) == 1


def test_parallel_payments_for_one_appointment_with_one_key_are_one(desk: Desk, database: Records) -> None:
    responses = factories.in_parallel(PARALLEL, lambda _: desk.pay(100, key=KEY))

    assert len({data_of(one, 201)["payment"]["_id"] for one in responses}) == 1
    assert database.payments.count_documents({}) == 1
    assert desk.payment_info()["paidAmount"] == 100
    assert violations() == []


def test_parallel_payments_without_a_key_stop_at_the_fee(desk: Desk) -> None:
    responses = factories.in_parallel(10, lambda _: desk.pay(100))

    assert sorted(one.status_code for one in responses) == [201] * 5 + [400] * 5
    assert desk.payment_info() == {"amount": FEE, "status": "paid", "paidAmount": FEE}
    assert violations() == []


def test_numbers_of_parallel_payments_for_different_appointments_have_no_gaps(desk: Desk, database: Records) -> None:
    times = [f"{9 + number // 2:02}:{number % 2 * 30:02}" for number in range(1, PARALLEL + 1)]
    made = [factories.make_appointment(doctor=desk.doctor, day=TUESDAY, time=time) for time in times]

    def pay(number: int) -> TestResponse:
        return desk.post(f"appointments/{made[number].id}/payments", amount=FEE, method="cash")

    responses = factories.in_parallel(PARALLEL, pay)

    numbers = sorted(data_of(one, 201)["payment"]["receiptNumber"] for one in responses)
    assert numbers == [f"2026-27/{number:06}" for number in range(1, PARALLEL + 1)]
    assert database.counters.find_one({"_id": "receipts:2026-27"})["value"] == PARALLEL  # type: ignore[index]
    assert violations() == []


@pytest.mark.parametrize("other", [{"amount": 200}, {"method": "card"}, {"reference": "UPI 1"}], ids=str)
def test_key_of_another_payment_is_refused(desk: Desk, other: dict[str, object]) -> None:
    desk.paid(100, key=KEY)

    response = desk.pay(**{"amount": 100, "key": KEY, **other})  # type: ignore[arg-type]

    assert error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(desk.payments()) == 1


def test_key_of_a_payment_cannot_be_used_for_another_appointment_at_the_same_moment(desk: Desk) -> None:
    other = factories.make_appointment(doctor=desk.doctor, day=TUESDAY, time="10:00")
    paths = [f"appointments/{one.id}/payments" for one in (desk.appointment, other)]

    responses = factories.in_parallel(2, lambda number: desk.post(paths[number], key=KEY, amount=100, method="cash"))

    assert sorted(one.status_code for one in responses) == [201, 422]


def test_two_members_of_the_staff_may_use_the_same_key(desk: Desk) -> None:
    desk.paid(100, key=KEY)
    desk.paid(100, key=KEY, caller=factories.sign_in(desk.app, factories.make_user(Role.RECEPTIONIST)))

    assert desk.payment_info()["paidAmount"] == 200


def test_key_of_a_refused_payment_can_be_used_again(desk: Desk) -> None:
    wrong = desk.paid()
    assert desk.pay(100, key=KEY).status_code == 400
    desk.correct(wrong["_id"])

    assert desk.pay(100, key=KEY).status_code == 201


def test_refunds_and_corrections_are_repeated_by_their_keys_too(desk: Desk) -> None:
    payment = desk.paid()
    refunds = [data_of(desk.refund(200, key=KEY), 201)["payment"]["_id"] for _ in range(2)]
    corrections = [data_of(desk.correct(refunds[0], key=f"{KEY}-2"), 201)["payment"]["_id"] for _ in range(2)]

    assert len(set(refunds)) == len(set(corrections)) == 1
    assert [one["_id"] for one in desk.payments()] == [payment["_id"], refunds[0], corrections[0]]


def test_payment_and_cancellation_at_the_same_moment_agree_on_what_is_due(desk: Desk) -> None:
    def act(number: int) -> TestResponse:
        if number:
            return desk.pay()
        path = f"/api/appointments/{desk.appointment.id}/cancel"
        return desk.app.test_client().put(path, headers=desk.joseph.headers)

    cancelled, paid = factories.in_parallel(2, act)

    stored: Appointment = Appointment.objects.get(id=desk.appointment.id)
    assert {cancelled.status_code, paid.status_code} <= {200, 201, 400}
    if cancelled.status_code == 200:
        assert stored.cancellation.refund_amount == stored.payment.paid_amount
    assert violations() == []
