"""Payments in a patient's export, and after an erasure."""

from flask.testing import FlaskClient

from arthomed.core import clock
from arthomed.privacy.rules import RECEIPT_RETENTION
from tests import factories
from tests.api.auth.sign_in import code_sent
from tests.api.payments.desk import Desk, violations
from tests.factories import data_of


def erase(client: FlaskClient, desk: Desk) -> list[dict[str, str]]:
    """Erase Asha's account; returns what is kept."""
    body = {"otp": code_sent(client, desk.asha.user.mobile_number)}
    response = client.post("/api/users/profile/erasure", json=body, headers=desk.asha.headers)
    kept: list[dict[str, str]] = data_of(response)["kept"]
    return kept


def test_export_holds_the_patients_payments(desk: Desk, client: FlaskClient) -> None:
    payment = desk.paid()

    exported = client.get("/api/users/profile/export", headers=desk.asha.headers)

    assert factories.envelope_of(exported)["payments"] == [payment]


def test_receipts_outlive_the_erasure_without_a_name(desk: Desk) -> None:
    payment = desk.paid()
    receipts = erase(desk.app.test_client(), desk)[0]

    assert (receipts["what"][:24], receipts["why"]) == ("Receipts of your payment", "Income-tax Rules 1962, rule 6F")
    assert receipts["until"][:10] == f"{clock.now() + RECEIPT_RETENTION:%Y-%m-%d}"
    page = desk.get(f"payments/{payment['_id']}/receipt").text
    assert "Erased patient" in page
    assert "Asha" not in page
    assert desk.payments() == [payment]
    assert violations() == []


def test_refund_that_an_erasure_made_due_can_still_be_paid_out(desk: Desk) -> None:
    desk.paid()
    erase(desk.app.test_client(), desk)

    data_of(desk.refund(250), 201)

    assert desk.cancellation()["refundStatus"] == "refunded"
    assert violations() == []


def test_no_receipts_are_kept_of_a_patient_who_paid_nothing(desk: Desk) -> None:
    assert [one["why"][:10] for one in erase(desk.app.test_client(), desk)] == ["Digital Pe"]
